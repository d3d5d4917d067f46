"""`ManualClock` moves when told to, and only then."""

from datetime import UTC, datetime, timedelta

import pytest

from fastapi_taskflow.testing import ManualClock
from fastapi_taskflow.words.clock import to_micros

START = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_it_stands_still_at_its_start():
    clock = ManualClock(START)

    assert (clock.now(), clock.micros(), clock.monotonic()) == (START, to_micros(START), 0.0)
    assert clock.now().utcoffset() == timedelta(0)


def test_wall_and_monotonic_time_move_together():
    clock = ManualClock(START)

    clock.advance(1.25)
    clock.advance(0.000001)

    assert clock.now() == START + timedelta(seconds=1.25, microseconds=1)
    assert clock.micros() == to_micros(START) + 1_250_001
    assert clock.monotonic() == 1.250001


def test_it_never_goes_back():
    clock = ManualClock()

    with pytest.raises(ValueError, match="0 s or more"):
        clock.advance(-0.1)
    assert clock.monotonic() == 0
