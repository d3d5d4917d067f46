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
