"""Batches against a model that recounts all after each step."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fastapi_taskflow import MemoryBackend, SqliteBackend, TaskStatus
from fastapi_taskflow.backends.base import Backend, Callback, Lease, NewBatch, Outcome, Result
from fastapi_taskflow.testing.conformance.batching import add, batch, called, look
from fastapi_taskflow.testing.conformance.harness import A, accept, claim, ignore, instance, task
from fastapi_taskflow.testing.places import new_place
from fastapi_taskflow.words.states import Move

PENDING, RUNNING, SUCCESS = TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.SUCCESS
FAILED, CANCELLED = TaskStatus.FAILED, TaskStatus.CANCELLED
LIVE = {PENDING, RUNNING}
ENDS = {
    Move.SUCCEED: SUCCESS,
    Move.FAIL: FAILED,
    Move.CANCEL: CANCELLED,
    Move.INTERRUPT: TaskStatus.INTERRUPTED,
    Move.RETRY: PENDING,
}

number = st.integers(0, 20)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 4), st.booleans()),
        st.tuples(st.just("run"), st.integers(1, 4)),
        st.tuples(st.just("end"), number, st.sampled_from(list(ENDS)), st.booleans()),
        st.tuples(st.just("cancel"), number),
        st.tuples(st.just("retry"), number),
    ),
    max_size=30,
)


@dataclass
class Place:
    """A place of a batch, and the task that has it now."""

    of: "Known"
    number: int
    task_id: str
    status: TaskStatus = PENDING
    parked: bool = False
    asked: bool = False
    lease: Lease | None = None

    def end(self, status: TaskStatus, *, hands_on: bool = True) -> None:
        self.status = status
        rest = self.of.places[self.number + 1 :] if self.of.new.chain else []
        if rest and rest[0].parked and status is SUCCESS and hands_on:
            rest[0].parked = False
            return
        for one in rest:
            if not one.parked:
                return
            one.status, one.parked = CANCELLED, False


@dataclass
class Known:
    """A batch, as the model has it."""

    new: NewBatch
    places: list[Place] = field(default_factory=list)
    called: set[Callback] = field(default_factory=set)

    def look(self) -> None:
        states = [one.status for one in self.places]
        if any(one not in LIVE and one is not SUCCESS for one in states):
            self.called.add(Callback.FAILURE)
        if not LIVE.intersection(states):
            self.called.add(Callback.DONE)
            if set(states) <= {SUCCESS}:
                self.called.add(Callback.SUCCESS)


class World:
    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.known: list[Known] = []

    @property
    def places(self) -> list[Place]:
        return [place for one in self.known for place in one.places]

    async def add(self, size: int, chain: bool) -> None:
        known = Known(batch(size, *Callback, chain=chain and size > 0))
        known.places = [
            Place(known, n, one.task_id, parked=chain and n > 0)
            for n, one in enumerate(known.new.tasks)
        ]
        await add(self.backend, known.new)
        self.known.append(known)

    async def run(self, most: int) -> None:
        claims = await claim(self.backend, limit=most)
        await self.backend.start([one.lease for one in claims])
        by_id = {place.task_id: place for place in self.places}
        ready = [one for one in self.places if one.status is PENDING and not one.parked]
        assert len(claims) == min(most, len(ready))
        for one in claims:
            place = by_id[one.lease.task_id]
            assert place in ready
            place.status, place.lease = RUNNING, one.lease

    async def end(self, which: int, move: Move, lost: bool) -> None:
        running = [one for one in self.places if one.status is RUNNING]
        if not running:
            return
        place = running[which % len(running)]
        assert place.lease is not None
        result = Result(None, missing="Too large") if lost else Result(b"1")
        await self.backend.finish([Outcome(place.lease, move, result=result)])
        status = CANCELLED if place.asked and move is not Move.SUCCEED else ENDS[move]
        if status is PENDING:
            place.status = PENDING
        else:
            place.end(status, hands_on=not lost)

    async def cancel(self, which: int) -> None:
        live = [one for one in self.places if one.status in LIVE]
        if live:
            place = live[which % len(live)]
            await self.backend.cancel([place.task_id])
            if place.status is PENDING:
                place.parked = False
                place.end(CANCELLED)
            else:
                place.asked = True

    async def retry(self, which: int) -> None:
        ended = [
            one
            for one in self.places
            if one.status not in LIVE and one.status is not SUCCESS and not one.of.new.chain
        ]
        if ended:
            place = ended[which % len(ended)]
            new = task(retry_of=place.task_id)
            await accept(self.backend, new)
            place.task_id, place.status, place.asked = new.task_id, PENDING, False

    async def check(self) -> None:
        for one in self.known:
            one.look()
            found, states = await look(self.backend, one.new), [p.status for p in one.places]
            done = states.count(SUCCESS), states.count(CANCELLED), states.count(RUNNING)
            assert (found.success, found.cancelled, found.running) == done
            left = sum(status in LIVE for status in states)
            assert found.failed == found.total - left - done[0] - done[1]
            assert (found.ended_at is None) == (left > 0)
            assert await called(self.backend, one.new) == one.called


async def play(backend: Backend, steps: list[tuple[Any, ...]]) -> None:
    await backend.open(ignore)
    await backend.enlist(instance(A))
    world = World(backend)
    for verb, *given_to in steps:
        await getattr(world, verb)(*given_to)
        await world.check()
    await backend.close()


@settings(max_examples=25, deadline=None, phases=[Phase.generate])
@given(steps=STEPS)
def test_batches_in_memory_are_as_the_model_has_them(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(play(MemoryBackend(), steps))


@pytest.mark.slow
@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(steps=STEPS)
def test_batches_in_sqlite_are_as_the_model_has_them(steps: list[tuple[Any, ...]]) -> None:
    with new_place() as name:
        asyncio.run(play(SqliteBackend(Path(name) / "tasks.db", synchronous="NORMAL"), steps))
