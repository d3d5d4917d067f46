import asyncio
import logging

import pytest

from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.loggers import InMemoryLogger, LoggerChain, TaskObserver

# Long enough for a busy machine to answer, short enough to wait for once.
PATIENCE = 0.2


class Broken(TaskObserver):
    """Raises from everything while ``broken``."""

    def __init__(self):
        super().__init__()
        self.broken = True

    async def on_events(self, events):
        self._check()

    async def startup(self):
        self._check()

    async def close(self):
        self._check()

    def _check(self):
        if self.broken:
            raise LookupError("broken by design")


class Slow(InMemoryLogger):
    """Takes nothing until let go."""

    def __init__(self):
        super().__init__()
        self.let_go = asyncio.Event()

    async def on_events(self, events):
        await self.let_go.wait()
        await super().on_events(events)


class Endless(InMemoryLogger):
    """Neither starts nor closes in any finite time."""

    async def startup(self):
        await asyncio.Event().wait()

    async def close(self):
        await asyncio.Event().wait()


def texts(memory: InMemoryLogger) -> list[str]:
    return [event.message for event in memory.log_events]


def loud(caplog) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.exc_info]


async def test_every_observer_has_the_events_when_the_call_returns(said, became):
    one, two = InMemoryLogger(), InMemoryLogger()
    chain = LoggerChain([one, two])

    await chain.startup()
    await chain.on_log(said("a"))
    await chain.on_lifecycle(became())
    await chain.on_events([said("b"), said("c")])

    for memory in (one, two):
        assert texts(memory) == ["a", "b", "c"]
        assert len(memory.lifecycle_events) == 1
    await chain.close()


async def test_each_observer_filters_by_its_own_level(said):
    everything, grave = InMemoryLogger(), InMemoryLogger("error")
    chain = LoggerChain([everything, grave])

    await chain.on_events([said("x", "debug"), said("y", "error")])

    assert texts(everything) == ["x", "y"]
    assert texts(grave) == ["y"]
    assert chain.min_level == "debug"


async def test_one_that_raises_harms_no_other_and_is_logged_once(said, caplog):
    memory, broken = InMemoryLogger(), Broken()
    chain = LoggerChain([broken, memory])

    await chain.startup()
    for n in range(5):
        await chain.on_log(said(str(n)))

    assert texts(memory) == ["0", "1", "2", "3", "4"]
    assert chain.failures == {"Broken": 6}
    assert [record.exc_info[0] for record in loud(caplog)] == [LookupError]


async def test_a_failure_after_a_recovery_is_logged_again(said, caplog):
    broken = Broken()
    chain = LoggerChain([broken])

    for broken.broken in (True, False, True):
        await chain.on_log(said())

    assert len(loud(caplog)) == 2


async def test_one_that_fails_every_other_time_does_not_fill_the_log(said, caplog):
    broken = Broken()
    chain = LoggerChain([broken])

    for n in range(40):
        broken.broken = n % 2 == 0
        await chain.on_log(said())

    assert chain.failures == {"Broken": 20}
    assert len(loud(caplog)) == 3


async def test_one_that_lets_a_cancelled_error_out_goes_on_with_what_comes_next(said):
    class Aborted(InMemoryLogger):
        async def on_events(self, events):
            await super().on_events(events)
            if events[0].message == "first":
                raise asyncio.CancelledError

    aborted = Aborted()
    chain = LoggerChain([aborted])

    chain_took = [await chain.on_log(said(text)) for text in ("first", "second")]
    await chain.close()

    assert chain_took == [None, None]
    assert texts(aborted) == ["first", "second"]
    assert (chain.failures, chain.dropped) == ({"Aborted": 1}, {})


async def test_a_slow_one_is_left_behind_and_catches_up(said):
    memory, slow = InMemoryLogger(), Slow()
    chain = LoggerChain([slow, memory], patience=PATIENCE)

    for n in range(20):
        await chain.on_log(said(str(n)))
    seen_meanwhile = texts(memory), texts(slow)
    slow.let_go.set()
    await chain.close()

    everything = [str(n) for n in range(20)]
    assert seen_meanwhile == (everything, [])
    assert texts(slow) == everything
    assert chain.dropped == {}


async def test_a_slow_one_is_waited_for_once_only(said):
    slow = Slow()
    chain = LoggerChain([slow], patience=PATIENCE)
    loop = asyncio.get_running_loop()

    await chain.on_log(said())
    begin = loop.time()
    for _ in range(100):
        await chain.on_log(said())

    assert loop.time() - begin < 100 * PATIENCE / 2
    slow.let_go.set()
    await chain.close()


async def test_what_a_slow_one_cannot_hold_is_dropped_and_counted(said, caplog):
    memory, slow = InMemoryLogger(max_events=50_000), Slow()
    chain = LoggerChain([memory, slow], patience=PATIENCE)
    event = said()

    for _ in range(30):
        await chain.on_events([event] * 1000)

    assert len(memory.log_events) == 30_000
    # 10,000 wait and 500 are in its hands.
    assert chain.dropped == {"Slow": 30_000 - 10_500}
    assert len([record for record in caplog.records if "too slow" in record.message]) == 1
    slow.let_go.set()
    await chain.close()


async def test_one_that_never_starts_or_closes_holds_nobody_up(said, caplog):
    memory = InMemoryLogger()
    chain = LoggerChain([Endless(), memory], patience=PATIENCE)

    await chain.startup()
    await chain.on_log(said())
    await chain.close()

    assert texts(memory) == ["hello"]
    assert chain.failures == {"Endless": 2}


async def test_close_gives_up_on_one_that_is_stuck_and_counts_its_events(said):
    slow = Slow()
    chain = LoggerChain([slow], patience=PATIENCE)
    for _ in range(3):
        await chain.on_log(said())

    await chain.close()

    assert texts(slow) == []
    # The first was in its hands, the others waited.
    assert chain.dropped == {"Slow": 3}


async def test_a_chain_runs_again_after_close(said):
    memory = InMemoryLogger()
    chain = LoggerChain([memory, Broken()])

    for n in range(2):
        await chain.startup()
        await chain.on_log(said(str(n)))
        await chain.close()

    assert texts(memory) == ["0", "1"]
    assert chain.failures == {"Broken": 3}


async def test_an_empty_chain_takes_everything(said):
    chain = LoggerChain()

    await chain.startup()
    await chain.on_log(said())
    await chain.close()


def test_only_observers_can_be_chained():
    with pytest.raises(ConfigurationError, match="TaskObserver instances, got the class"):
        LoggerChain([InMemoryLogger])
