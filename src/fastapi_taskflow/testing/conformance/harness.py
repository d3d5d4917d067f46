"""What the conformance tests share: the fixtures, and short words for frequent steps."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow.backends.base import (
    Admission,
    Backend,
    Claimed,
    ClaimRequest,
    Inserted,
    InstanceInfo,
    Lease,
    NewTask,
    Outcome,
    Rotation,
    Settled,
    Stored,
    StoredTask,
)
from fastapi_taskflow.backends.logins import Logins
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.places import new_place
from fastapi_taskflow.words.clock import Clock
from fastapi_taskflow.words.states import Move

# Two instances that the `backend` fixture enlists.
A = "instance-a"
B = "instance-b"

_numbers = itertools.count(1)


class Conformance:
    """Base of all groups of tests: how a backend is made, opened and closed.

    A store is named by a place, an empty directory of the test's own: backends made with
    the same place share one store.
    """

    pytestmark = pytest.mark.anyio

    def make_backend(self, clock: Clock, place: Path) -> Backend:
        """A new, unopened backend whose store lives at ``place`` and asks ``clock``."""
        raise NotImplementedError

    def open_second(self, first: Backend, clock: Clock, place: Path) -> Backend:
        """Another instance's handle to the store of ``first``, unopened.

        A driver whose store is the object itself answers ``first``.
        """
        return self.make_backend(clock, place)

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def place(self) -> Iterator[Path]:
        with new_place() as name:
            yield Path(name)

    @pytest.fixture
    async def store(self, clock: ManualClock, place: Path) -> AsyncIterator[Backend]:
        """An open backend that nobody has enlisted in."""
        backend = self.make_backend(clock, place)
        await backend.open(ignore)
        yield backend
        await backend.close()

    @pytest.fixture
    async def backend(self, store: Backend) -> Backend:
        """An open backend with the instances A and B."""
        await store.enlist(instance(A))
        await store.enlist(instance(B))
        return store

    @pytest.fixture
    async def second(
        self, backend: Backend, clock: ManualClock, place: Path
    ) -> AsyncIterator[Backend]:
        """A second open handle to the store of ``backend``."""
        other = self.open_second(backend, clock, place)
        await other.open(ignore)
        yield other
        await other.close()


def ignore() -> None:
    """An ``on_change`` that nobody needs."""


def fresh_id() -> str:
    """A task id that no other test has."""
    return f"018f0000-0000-7000-8000-{next(_numbers):012x}"


def instance(instance_id: str, **changes: Any) -> InstanceInfo:
    """What an instance says of itself; ``changes`` replace its fields."""
    info: dict[str, Any] = {
        "instance_id": instance_id,
        "host": "host",
        "pid": 1,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "roles": frozenset({"enqueue", "execute"}),
        "ttl": 20.0,
        "functions": frozenset({"f"}),
        "executors": {"loop": None, "thread": 4},
    }
    return InstanceInfo(**(info | changes))


def task(task_id: str | None = None, **changes: Any) -> NewTask:
    """A durable task of function ``f`` in the default queue; ``changes`` replace fields."""
    new = NewTask(
        task_id=task_id or fresh_id(),
        func_name="f",
        payload=b"payload",
        queue="default",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return new._replace(**changes)


def keyed(key: str, fingerprint: bytes = b"same", **changes: Any) -> NewTask:
    """A task with an idempotency key."""
    return task(idempotency_key=key, fingerprint=fingerprint, **changes)


async def put(
    backend: Backend,
    *group: NewTask,
    limits: Mapping[str, int] | None = None,
    key_ttl: float = 86400.0,
) -> Admission:
    """Insert one group."""
    (admission,) = await backend.insert([group], limits, key_ttl=key_ttl)
    return admission


async def accept(backend: Backend, *group: NewTask, key_ttl: float = 86400.0) -> list[Inserted]:
    """Insert one group that must be stored."""
    admission = await put(backend, *group, key_ttl=key_ttl)
    assert isinstance(admission, Stored), admission
    assert len(admission.tasks) == len(group)
    return list(admission.tasks)


def again(task_id: str) -> Inserted:
    """The answer for what this task does already."""
    return Inserted(task_id, duplicate=True, fence=0)


def request(instance_id: str = A, **changes: Any) -> ClaimRequest:
    """A claim with room for plenty; ``changes`` replace its fields."""
    wanted: dict[str, Any] = {
        "instance": instance_id,
        "claim_id": f"claim-{next(_numbers)}",
        "queues": {"default": 1000},
        "limit": 1000,
        "functions": frozenset({"f"}),
    }
    return ClaimRequest(**(wanted | changes))


async def claim(backend: Backend, instance_id: str = A, **changes: Any) -> list[Claimed]:
    """Claim what is ready, see `request`."""
    return await backend.claim(request(instance_id, **changes))


def ids(claimed: list[Claimed]) -> list[str]:
    """The ids of claimed tasks, in order."""
    return [one.lease.task_id for one in claimed]


async def begin(backend: Backend, lease: Lease) -> datetime:
    """Start a lease that must be held."""
    (started,) = await backend.start([lease])
    assert started is not None
    return started


async def running(backend: Backend, new: NewTask | None = None, instance_id: str = A) -> Lease:
    """Insert, claim and start one task. Nothing else in its queue may be ready."""
    new = new or task()
    await accept(backend, new)
    return await run(backend, new, instance_id)


async def run(backend: Backend, new: NewTask, instance_id: str = A) -> Lease:
    """Claim and start a stored task. Nothing else in its queue may be ready."""
    (got,) = await claim(
        backend, instance_id, queues={new.queue: 1}, functions=frozenset({new.func_name})
    )
    assert got.lease.task_id == new.task_id
    await begin(backend, got.lease)
    return got.lease


async def end(backend: Backend, lease: Lease, move: Move, **changes: Any) -> Settled:
    """Finish one claim of a task that exists."""
    (settled,) = await backend.finish([Outcome(lease, move, **changes)])
    assert settled is not None
    return settled


async def find(backend: Backend, task_id: str) -> StoredTask:
    """One task that exists."""
    (found,) = await backend.get([task_id])
    assert found is not None, task_id
    return found


async def missing(backend: Backend, *task_ids: str) -> bool:
    """True if none of the tasks exists."""
    return await backend.get(list(task_ids)) == [None] * len(task_ids)


async def beat(backend: Backend, instance_id: str, lag: float = 0.0, **state: Any) -> bool:
    """One heartbeat, as an engine sends it: from a thread and an event loop of its own."""
    return await asyncio.to_thread(asyncio.run, backend.beat(instance_id, lag, **state))


def logins_of(backend: Backend) -> Logins:
    """The port of sign-in. A driver may have none: then its rules do not concern it."""
    found = backend.sign_in
    return pytest.skip("This backend has no Backend.sign_in.") if found is None else found


def rotation_of(backend: Backend) -> Rotation:
    """The port of a change of keys, as `logins_of`."""
    found = backend.rotation
    return pytest.skip("This backend has no Backend.rotation.") if found is None else found


async def recover_all(backend: Backend, by: str, dead: str) -> list[Claimed]:
    """Everything that a dead instance held, in one batch."""
    return await backend.recover(by, dead, limit=10_000)
