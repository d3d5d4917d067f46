"""A server's clock, as it is learned from answers that take their time."""

import pytest

from fastapi_taskflow.backends.serverclock import StoreClock
from fastapi_taskflow.testing import ManualClock
from fastapi_taskflow.words import clock as clocks

MILLISECOND = 1_000


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """This process's clock, beside which the server's is the same and a minute ahead."""
    machine = ManualClock()
    monkeypatch.setattr("fastapi_taskflow.backends.serverclock.SYSTEM_CLOCK", machine)
    return machine


def server(machine: clocks.Clock) -> int:
    return machine.micros() + 60_000_000


def ask(clock: StoreClock, machine: ManualClock, there: float, back: float) -> None:
    """One question to the server, with the seconds that it and its answer take."""
    machine.advance(there)
    said = server(machine)
    machine.advance(back)
    clock.learn(said, took=there + back)


def error(clock: StoreClock, machine: ManualClock) -> int:
    return clock.micros() - server(machine)


def test_an_answer_that_came_late_does_not_make_it_wrong(machine):
    clock = StoreClock(None)
    ask(clock, machine, 0.001, 0.001)

    machine.advance(11)
    assert clock.is_stale
    ask(clock, machine, 0.5, 0.0)
    ask(clock, machine, 0.0, 0.5)

    assert abs(error(clock, machine)) <= 3 * MILLISECOND


def test_after_a_slow_answer_it_is_asked_again_but_not_for_ever(machine):
    clock = StoreClock(None)
    asked = 0
    while clock.is_stale:
        ask(clock, machine, 0.2, 0.3)
        asked += 1
    assert asked == 3

    machine.advance(11)
    while clock.is_stale:
        ask(clock, machine, 0.002, 0.001)
        asked += 1
    assert asked == 4
    assert abs(error(clock, machine)) <= MILLISECOND


def test_a_server_whose_clock_was_set_forward_is_believed(machine):
    clock = StoreClock(None)
    ask(clock, machine, 0.001, 0.001)
    was = clock.micros()

    machine.advance(11)
    machine.set_by(3600)
    ask(clock, machine, 0.001, 0.001)

    assert clock.micros() - was == pytest.approx(3_611_000_000, abs=10 * MILLISECOND)
