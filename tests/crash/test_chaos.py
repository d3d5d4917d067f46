"""Random signals under load, as many as there is time for; `make trust-pr` has the full number."""

import asyncio
from pathlib import Path

import pytest

from trust.chaos import Chaos, Options
from trust.recovery import recoveries

pytestmark = [pytest.mark.crash, pytest.mark.slow]


def test_a_pause_a_drain_and_a_kill_under_load_lose_nothing(tmp_path: Path) -> None:
    options = Options(
        kills=1,
        instances=2,
        rate=20.0,
        # So that each signal finds some at work.
        longest_ms=1000,
        shortest=0.2,
        longest=1.0,
        # It begins STOP, TERM, KILL.
        seed=7,
        terms=0.25,
        exit_rest=60.0,
        recovery=60.0,
    )

    outcome = asyncio.run(Chaos(options.with_stops(0.25), tmp_path).run())

    assert outcome.violations == []
    assert outcome.faults == []
    assert [death.how for death in outcome.history.deaths] == ["STOP", "TERM", "KILL"]
    assert recoveries(outcome.history) != []
