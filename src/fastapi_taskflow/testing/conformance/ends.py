"""How a run ends, and what its function sees and says meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
import traceback
from pathlib import Path

import pytest

from fastapi_taskflow.executors.base import Executor
from fastapi_taskflow.rules.context import LEVELS, get_task_context
from fastapi_taskflow.rules.ends import Lost, Raised, Returned
from fastapi_taskflow.testing.conformance.runs import Running, Watched, call_of, let_pass, until
from fastapi_taskflow.testing.conformance.work import LEAVING, VARIABLE
from fastapi_taskflow.words.said import Progress


def trace_of(told: Raised) -> str:
    """The traceback as text, whoever wrote it."""
    if told.stacktrace is not None:
        return told.stacktrace
    return "".join(traceback.format_exception(told.error))


class Ends(Running):
    """A run ends once, as its function does."""

    async def test_what_a_function_returns_is_told(self, executor: Executor) -> None:
        positional = Watched(executor, call_of(self.work.double, 21))
        named = Watched(executor, call_of(self.work.double, kwargs={"number": 4}))

        assert await positional.end() == Returned(42)
        assert await named.end() == Returned(8)

    async def test_a_value_that_cannot_leave_a_process_is_no_failure(
        self, executor: Executor
    ) -> None:
        told = await Watched(executor, call_of(self.work.give_unpicklable)).end()

        assert isinstance(told, Returned)

    async def test_an_error_is_told_with_its_traceback(self, executor: Executor) -> None:
        told = await Watched(executor, call_of(self.work.fail, "no such room")).end()

        assert isinstance(told, Raised)
        assert type(told.error) is LookupError
        assert told.error.args == ("no such room",)
        assert "in fail" in trace_of(told)
        assert "in _deeper" in trace_of(told)

    async def test_an_error_that_can_be_neither_shown_nor_sent_ends_its_run(
        self, executor: Executor
    ) -> None:
        told = await Watched(executor, call_of(self.work.fail_hostile)).end()

        assert isinstance(told, Raised)

    @pytest.mark.parametrize("name", LEAVING)
    async def test_who_leaves_the_program_only_ends_its_run(
        self, executor: Executor, place: Path, name: str
    ) -> None:
        (neighbour,) = await self.waiting(executor, place)
        told = await Watched(executor, call_of(self.work.leave, name)).end()
        let_pass(place)

        assert isinstance(told, Raised | Lost)
        assert isinstance(await neighbour.end(), Returned)
        assert await Watched(executor, call_of(self.work.double, 1)).end() == Returned(2)

    async def test_the_death_of_its_process_is_told_and_harms_no_neighbour(
        self, executor: Executor, place: Path
    ) -> None:
        if not self.apart:
            pytest.skip("functions run in the engine's process")
        (neighbour,) = await self.waiting(executor, place)
        told = await Watched(executor, call_of(self.work.die)).end()
        let_pass(place)

        assert isinstance(told, Lost)
        assert isinstance(await neighbour.end(), Returned)
        assert await Watched(executor, call_of(self.work.double, 1)).end() == Returned(2)

    async def test_each_of_many_ends_once_with_its_own(self, executor: Executor) -> None:
        crowd = [Watched(executor, call_of(self.work.double, n)) for n in range(self.crowd)]
        await until(lambda: all(each.told for each in crowd))
        await executor.close(1.0)

        assert [each.told for each in crowd] == [[Returned(2 * n)] for n in range(self.crowd)]

    async def test_a_call_for_which_somebody_waits_ends_as_others(self, executor: Executor) -> None:
        waited_for = Watched(executor, call_of(self.work.double, 3, at_once=True))
        failed = Watched(executor, call_of(self.work.fail, "", at_once=True))

        assert await waited_for.end() == Returned(6)
        assert isinstance(await failed.end(), Raised)

    async def test_slots_are_runs_at_a_time(self, executor: Executor, place: Path) -> None:
        # Else they would not all arrive.
        together = await self.waiting(executor, place, 3)
        let_pass(place)

        assert executor.slots is None or executor.slots >= len(together)
        assert [await each.end() for each in together] == [
            Returned(f"run {number}") for number in range(3)
        ]


class Surroundings(Running):
    """What is around a function: its log, its context, its call."""

    async def test_lines_come_in_order_and_before_the_end(self, executor: Executor) -> None:
        watched = Watched(executor, call_of(self.work.say, 20))
        await watched.end()

        assert [line.message for line in watched.lines] == [f"line {n}" for n in range(20)]
        assert [line.level for line in watched.lines] == ["info", "warning"] * 10
        assert all(line.level in LEVELS for line in watched.lines)
        assert [line.extra["number"] for line in watched.lines] == list(range(20))
        assert not watched.late

    async def test_a_line_with_a_value_that_cannot_leave_a_process_comes(
        self, executor: Executor
    ) -> None:
        watched = Watched(executor, call_of(self.work.say_unpicklable))

        assert isinstance(await watched.end(), Returned)
        assert [line.message for line in watched.lines] == ["with a value"]

    async def test_progress_comes_in_order_the_latest_at_last_and_before_the_end(
        self, executor: Executor
    ) -> None:
        watched = Watched(executor, call_of(self.work.advance, 1_000))
        await watched.end()

        assert watched.progress == sorted(set(watched.progress))
        assert watched.progress[-1] == Progress(1_000, 1_000, "step 1000")
        assert not watched.late

    async def test_progress_comes_while_the_function_runs(
        self, executor: Executor, place: Path
    ) -> None:
        (one,) = await self.waiting(executor, place, func="advance_and_wait")
        await until(lambda: Progress(2) in one.progress)

        assert one.told == []
        let_pass(place)
        assert await one.end() == Returned("run 0")

    async def test_a_function_knows_its_task(self, executor: Executor) -> None:
        tags = {"order": "7"}
        call = call_of(self.work.seen, attempt=2, tags=tags, fence=5)
        told = await Watched(executor, call).end()

        assert told == Returned((call.task_id, "work", 2, {"order": "7"}, 5))
        assert tags == {"order": "7"}
        assert get_task_context() is None

    async def test_context_variables_reach_the_function_and_not_back(
        self, executor: Executor
    ) -> None:
        if not self.carries_context:
            pytest.skip("context variables stay behind")
        VARIABLE.set("from the caller")
        first = Watched(executor, call_of(self.work.variable))
        second = Watched(executor, call_of(self.work.variable))

        assert await first.end() == await second.end() == Returned("from the caller")
        assert VARIABLE.get() == "from the caller"

    async def test_a_call_is_left_as_it_was(self, executor: Executor) -> None:
        kwargs = {"number": 2}
        call = call_of(self.work.double, kwargs=kwargs)
        first = await Watched(executor, call).end()
        again = call._replace(context=contextvars.copy_context())
        second = await Watched(executor, again).end()

        assert first == second == Returned(4)
        assert kwargs == {"number": 2}

    async def test_what_it_is_asked_to_check_it_can_run(self, executor: Executor) -> None:
        executor.check(self.work.double)

    async def test_a_drain_lets_runs_go_on(self, executor: Executor, place: Path) -> None:
        (one,) = await self.waiting(executor, place)
        executor.drain()
        let_pass(place)

        assert await one.end() == Returned("run 0")


class Reopening(Running):
    """An engine closes it, the next one opens it again."""

    async def test_a_close_while_runs_are_busy_comes_to_its_end(
        self, executor: Executor, place: Path
    ) -> None:
        busy = await self.waiting(executor, place, 3)

        async with asyncio.timeout(60):
            await executor.close(0.1)
        let_pass(place)

        assert all(len(each.told) <= 1 for each in busy)

    async def test_it_can_be_opened_again(self, executor: Executor) -> None:
        await executor.close(1.0)
        await executor.open()

        assert await Watched(executor, call_of(self.work.double, 5)).end() == Returned(10)

    def test_it_can_be_opened_on_the_next_event_loop(self) -> None:
        executor = self.make_executor()

        async def once() -> None:
            await executor.open()
            told = await Watched(executor, call_of(self.work.double, 5)).end()
            await executor.close(1.0)
            assert told == Returned(10)

        for _ in range(2):
            asyncio.run(once())
