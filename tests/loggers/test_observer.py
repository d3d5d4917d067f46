import asyncio
import time

import pytest

from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.loggers import InMemoryLogger, LifecycleEvent, LogEvent, TaskObserver


class Diary(TaskObserver):
    """Notes what it is given, and raises on request."""

    def __init__(self, min_level="info"):
        super().__init__(min_level)
        self.noted = []

    async def on_log(self, event: LogEvent) -> None:
        self.noted.append(event.message)
        if event.message.startswith("bad"):
            raise ValueError(event.message)

    async def on_lifecycle(self, event: LifecycleEvent) -> None:
        self.noted.append(event.status.value)


async def test_a_batch_arrives_in_order_at_the_two_handlers(said, became):
    diary = Diary()

    await diary.on_events([said("one"), became(), said("two")])

    assert diary.noted == ["one", "success", "two"]


@pytest.mark.parametrize(
    ("min_level", "seen"),
    [("debug", ["debug", "info", "error"]), ("info", ["info", "error"]), ("critical", [])],
)
async def test_log_events_below_the_level_are_not_given(said, min_level, seen):
    diary = Diary(min_level)

    await diary.on_events([said(level, level) for level in ("debug", "info", "error")])

    assert diary.noted == seen


async def test_lifecycle_events_come_at_any_level(became):
    diary = Diary("critical")

    await diary.on_events([became()])

    assert diary.noted == ["success"]


@pytest.mark.parametrize(("min_level", "seen"), [("info", ["strange"]), ("warning", [])])
async def test_a_level_nobody_knows_counts_as_info(said, min_level, seen):
    diary = Diary(min_level)

    await diary.on_events([said("strange", "audit")])

    assert diary.noted == seen


async def test_one_bad_event_does_not_cost_the_rest_of_its_batch(said):
    diary = Diary()

    with pytest.raises(ValueError, match="bad 1") as caught:
        await diary.on_events([said("bad 1"), said("good"), said("bad 2")])

    assert diary.noted == ["bad 1", "good", "bad 2"]
    assert caught.value.__notes__ == ["2 of the batch's 3 events failed."]


async def test_an_observer_that_overrides_nothing_takes_everything_quietly(said, became):
    observer = TaskObserver()

    await observer.startup()
    await observer.on_events([said(), became()])
    await observer.close()


async def test_a_subclass_that_skips_the_base_constructor_has_the_default_level(said):
    class Careless(Diary):
        def __init__(self):
            self.noted = []

    diary = Careless()
    await diary.on_events([said("no", "debug"), said("yes", "info")])

    assert diary.noted == ["yes"]


@pytest.mark.parametrize(("level", "meant"), [("warn", "info"), ("ERROR", "error"), (7, "info")])
def test_a_level_that_is_none_counts_as_the_one_meant_or_info_and_is_told(level, meant, caplog):
    observer = TaskObserver(level)

    assert observer.min_level == meant
    assert f"got {level!r}: it counts as {meant!r}" in caplog.text


async def test_memory_keeps_the_newest_of_each_kind(said, became):
    memory = InMemoryLogger(max_events=2)

    await memory.on_events([said("1"), said("2"), became(), said("3")])

    assert [event.message for event in memory.log_events] == ["2", "3"]
    assert len(memory.lifecycle_events) == 1


async def test_memory_keeps_debug_by_default_and_less_on_request(said):
    everything, some = InMemoryLogger(), InMemoryLogger(min_level="warning")

    for memory in (everything, some):
        await memory.on_log(said("fine", "debug"))
        await memory.on_log(said("grave", "error"))

    assert [event.message for event in everything.log_events] == ["fine", "grave"]
    assert [event.message for event in some.log_events] == ["grave"]


async def test_memory_forgets_on_clear(said, became):
    memory = InMemoryLogger()
    await memory.on_events([said(), became()])

    memory.clear()

    assert memory.log_events == []
    assert memory.lifecycle_events == []


def test_memory_must_be_able_to_keep_something():
    with pytest.raises(ConfigurationError, match="from 1 up, got 0"):
        InMemoryLogger(max_events=0)


class Blocking(TaskObserver):
    """Takes its time without ever giving the loop a turn; notes how many turns others had."""

    def __init__(self):
        super().__init__()
        self.turns = 0
        self.seen = []

    async def on_log(self, event: LogEvent) -> None:
        self.seen.append(self.turns)
        time.sleep(0.02)  # noqa: ASYNC251  (what it is about)


async def test_others_have_turns_between_the_events_of_a_blocking_handler(said):
    blocking = Blocking()

    async def neighbour():
        while True:
            blocking.turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(neighbour())
    await asyncio.sleep(0)
    await blocking.on_events([said(str(n)) for n in range(5)])
    other.cancel()

    assert len(set(blocking.seen)) == 5


async def test_a_handlers_own_cancelled_error_costs_the_batch_one_event(said):
    class Aborted(Diary):
        async def on_log(self, event: LogEvent) -> None:
            await super().on_log(event)
            if event.message == "one":
                raise asyncio.CancelledError

    aborted = Aborted()

    with pytest.raises(asyncio.CancelledError):
        await aborted.on_events([said("one"), said("two")])

    assert aborted.noted == ["one", "two"]
