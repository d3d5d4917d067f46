"""Tasks that live in the process of their store: shared with it, and shown like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow import MemoryBackend, TaskManager, TaskStatus
from fastapi_taskflow.backends.base import Backend, MirrorAnswer, Query, Residence, Result, Snapshot
from fastapi_taskflow.backends.sealed import SealedBackend
from fastapi_taskflow.models import TaskRecord
from fastapi_taskflow.rules.crypto import Keyring
from fastapi_taskflow.testing.conformance.harness import A, B, ignore, instance
from fastapi_taskflow.testing.conformance.mirror_counts import MirroredCounts
from fastapi_taskflow.testing.conformance.mirroring import Mirroring
from fastapi_taskflow.testing.conformance.rollups import Rollups
from fastapi_taskflow.testing.statemachine import BackendStateMachine, profile
from fastapi_taskflow.words.clock import Clock
from fastapi_taskflow.words.failures import Failure
from tests.support.waiting import wait_until

pytestmark = pytest.mark.anyio


@dataclass
class Owned:
    """A live task, as far as the store looks at it."""

    record: TaskRecord
    payload: bytes | None = None
    requeue: bool = False
    failures: int = 0
    kept: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    emitted: str | None = None
    result: Result | None = None
    failure: Failure | None = None


def owned(task_id: str = "one", status: TaskStatus = TaskStatus.RUNNING) -> Owned:
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    ended = None if status is TaskStatus.RUNNING else begun
    return Owned(TaskRecord(task_id, "f", status, created_at=begun, end_time=ended))


class Sharing(MemoryBackend):
    """Is told of states by `mirror`, and shares the tasks of which it is told."""

    async def mirror(self, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
        return [await self._mirror_one(instance, snapshot) for snapshot in snapshots]

    async def _mirror_one(self, instance: str, snapshot: Snapshot) -> MirrorAnswer:
        task = snapshot.task
        (before,) = await self.get([task.task_id])
        record = TaskRecord(
            task.task_id,
            task.func_name,
            snapshot.status,
            created_at=task.created_at,
            idempotency_key=task.idempotency_key,
            tags=dict(task.tags),
            source=task.source,
            priority=task.priority,
            executor=task.executor,
            queue=task.queue,
            retry_of=task.retry_of,
        )
        if before is not None:
            record = before.record
        record.status = snapshot.status
        record.start_time, record.end_time = snapshot.start_time, snapshot.end_time
        record.due_at, record.elapsed = snapshot.due_at, snapshot.elapsed
        record.retries_used = snapshot.retries_used
        record.error, record.stacktrace = snapshot.error, snapshot.stacktrace
        failure = snapshot.failure if snapshot.status is TaskStatus.FAILED else None
        record.failure = None if failure is None else failure.group
        record.logs = [*([] if snapshot.logs_anew else record.logs), *snapshot.logs]
        if snapshot.start_time is not None:
            record.instance = instance
        payload = task.payload if before is None else None
        one = Owned(record, payload, task.requeue, snapshot.failures, failure=snapshot.failure)
        (noted,) = self.residence.note(instance, [one])
        if not noted:
            return (await super().mirror(instance, [snapshot]))[0]
        asked = before is not None and before.cancel_asked
        return MirrorAnswer(accepted=True, cancel_asked=asked)


class TestSharing(Mirroring, MirroredCounts, Rollups):
    """What holds of mirrored tasks holds of shared ones."""

    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return Sharing(clock=clock)


class SharingMachine(BackendStateMachine):
    # Live tasks say things in other forms than the texts of a machine.
    tells = False

    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return Sharing(clock=clock)


TestSharingMachine = SharingMachine.TestCase
TestSharingMachine.settings = profile()


async def opened() -> tuple[MemoryBackend, Residence]:
    backend = MemoryBackend()
    await backend.open(ignore)
    for name in (A, B):
        await backend.enlist(instance(name))
    return backend, backend.residence


async def test_a_task_that_somebody_recovered_is_its_owners_no_longer():
    backend, residence = await opened()
    one = owned()
    assert residence.note(A, [one]) == [True]

    (claim,) = await backend.recover(B, A, limit=9)
    one.record.status, one.record.error = TaskStatus.FAILED, "too late"

    assert residence.note(A, [one]) == [False]
    (stored,) = await backend.get(["one"])
    assert stored is not None
    assert (stored.record.status, stored.record.error) == (TaskStatus.RUNNING, None)
    assert claim.lease.fence == 2


@pytest.mark.parametrize(
    "name", ["tags", "created_at", "error", "logs", "queue", "task_id", "end_time"]
)
async def test_what_the_app_makes_of_a_record_hides_no_other(name: str):
    backend, residence = await opened()
    bad, good = owned("bad", TaskStatus.SUCCESS), owned("good", TaskStatus.SUCCESS)
    residence.note(A, [bad, good])

    setattr(bad.record, name, object())

    since = datetime(2025, 1, 1, tzinfo=UTC)
    for query in (Query(), Query(tag=("a", "b")), Query(since=since), Query(text="g")):
        page = await backend.search(query, limit=9, most_bytes=10_000)
        found = {one.record.task_id: one.record.to_dict() for one in page.tasks}
        assert ("good" in found) == (query.tag is None)
    assert len((await backend.purge(datetime.now(UTC) + timedelta(1), limit=9)).task_ids) == 2


async def test_a_plain_task_without_a_store_is_never_encoded():
    manager = TaskManager()

    @manager.task()  # type: ignore[untyped-decorator]
    async def add(a: int, b: int) -> None: ...

    async with manager:
        task_id = (await manager.enqueue(add, 1, b=2)).task_id
        await wait_until(lambda: (manager.store.get(task_id) or owned().record).end_time)
        found = await manager.merged_list()
        (stored,) = await manager.runtime.backend.get([task_id])

    assert [one.status for one in found] == [TaskStatus.SUCCESS]
    assert stored is not None
    assert stored.payload is None
    assert stored.arguments == ((1,), {"b": 2})


def test_what_is_sealed_is_not_shared():
    sealed = SealedBackend(MemoryBackend(), Keyring(["a secret of some length"]))

    assert sealed.residence is None
    assert SealedBackend(MemoryBackend(), None).residence is not None


async def test_a_task_is_found_by_the_name_that_it_is_shown_with():
    backend, residence = await opened()
    one = owned()
    residence.note(A, [one])
    vars(one.record)["func_name"] = 5

    for query in (Query(func_name="f"), Query(text="f")):
        (found,) = (await backend.search(query, limit=9)).tasks
        assert found.record.func_name == "f"
        assert await backend.count(query) == 1
