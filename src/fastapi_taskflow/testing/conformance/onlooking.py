"""A store that is looked at from outside, and what is told of the store itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from fastapi_taskflow.backends.base import Backend, Finding, Level, Query
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import Conformance, ignore, put, task
from fastapi_taskflow.words.errors import StoreUnavailable


class Onlooking(Conformance):
    """An onlooker reads what is there, and neither makes nor changes anything."""

    @pytest.fixture
    async def onlooker(self, backend: Backend) -> AsyncIterator[Backend]:
        """An open one of ``backend``."""
        other = _onlooker_of(backend)
        await other.open(ignore)
        yield other
        await other.close()

    async def test_an_onlooker_reads_what_is_stored(
        self, backend: Backend, onlooker: Backend
    ) -> None:
        (before,) = await onlooker.get(["one"])
        await put(backend, task("one"))

        (after,) = await onlooker.get(["one"])
        page = await onlooker.search(Query(), limit=5)

        assert before is None
        assert after is not None
        assert [one.record.task_id for one in page.tasks] == ["one"]

    async def test_an_onlooker_writes_nothing(self, backend: Backend, onlooker: Backend) -> None:
        await put(backend, task("one"))

        with pytest.raises(StoreUnavailable):
            await put(onlooker, task("two"))
        with pytest.raises(StoreUnavailable):
            await onlooker.cancel(["one"])

        assert (await backend.get(["two"])) == [None]
        (kept,) = await backend.get(["one"])
        assert kept is not None
        assert kept.record.status.value == "pending"

    async def test_the_end_of_an_onlooker_is_not_that_of_the_store(self, backend: Backend) -> None:
        onlooker = _onlooker_of(backend)
        await onlooker.open(ignore)
        await onlooker.close()
        await onlooker.close()

        await put(backend, task("one"))

        assert (await backend.get(["one"])) != [None]

    async def test_an_onlooker_makes_no_store(self, clock: ManualClock, place: Path) -> None:
        onlooker = _onlooker_of(self.make_backend(clock, place))

        with pytest.raises(StoreUnavailable):
            await onlooker.open(ignore)

        assert _is_empty(place)


class Examining(Conformance):
    """Nothing is found wrong with a store that is well, and nothing is changed by looking."""

    async def test_a_store_in_use_is_well(
        self, backend: Backend, clock: ManualClock, place: Path
    ) -> None:
        await put(backend, task("one"))
        before = await backend.get(["one"])

        found = list(self.open_second(backend, clock, place).examine())

        assert all(isinstance(each, Finding) for each in found)
        assert [each for each in found if each.level is Level.PROBLEM] == []
        assert (await backend.get(["one"])) == before

    async def test_its_state_is_told_without_a_change(
        self, backend: Backend, clock: ManualClock, place: Path
    ) -> None:
        await put(backend, task("one"))

        other = self.open_second(backend, clock, place)
        found = await backend.vitals()
        told = {each.check for each in await other.vitals()}

        assert [each for each in found if each.level is Level.PROBLEM] == []
        assert {each.check for each in found} == told

    def test_an_examination_makes_no_store(self, clock: ManualClock, place: Path) -> None:
        with suppress(StoreUnavailable):  # what opens it will say the same
            list(self.make_backend(clock, place).examine())

        assert _is_empty(place)


def _onlooker_of(backend: Backend) -> Backend:
    onlooker = backend.onlooker()
    if onlooker is backend:
        pytest.skip("This driver has no way to look from outside.")
    return onlooker


def _is_empty(place: Path) -> bool:
    return not any(place.iterdir())
