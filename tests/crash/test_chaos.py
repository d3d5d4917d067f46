"""Random kills under load, as many as there is time for; `make trust-pr` has the full number."""

import asyncio
from pathlib import Path

import pytest

from trust.chaos import Chaos, Options, Outcome
from trust.history import INTERRUPTED, SUCCESS
from trust.recovery import recoveries

pytestmark = [pytest.mark.crash, pytest.mark.slow]


def run(options: Options, place: Path) -> Outcome:
    outcome = asyncio.run(Chaos(options, place).run())

    assert outcome.violations == []
    assert outcome.faults == []
    return outcome


def test_kills_under_load_lose_nothing(tmp_path: Path) -> None:
    outcome = run(Options(kills=12, shortest=0.2, longest=1.0, seed=11, exit_rest=60.0), tmp_path)

    history = outcome.history
    assert sum(len(request.tasks) for request in history.requests) > 100
    assert {SUCCESS, INTERRUPTED} <= {row.state for row in history.rows.values()}
    assert recoveries(history) != []


def test_drains_and_pauses_among_the_kills_lose_nothing(tmp_path: Path) -> None:
    options = Options(kills=5, shortest=0.2, longest=1.0, seed=52, terms=0.25, exit_rest=60.0)

    outcome = run(options.with_stops(0.25), tmp_path)

    assert {death.how for death in outcome.history.deaths} == {"KILL", "TERM", "STOP"}
