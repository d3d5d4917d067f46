"""A task that never stops talking is bounded, counted, and heard by nobody in time."""

import sys

import pytest

from trust.flood import measure

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]


async def test_a_flood_of_lines_takes_bounded_memory_and_lets_the_loop_answer() -> None:
    figures = await measure(50_000)

    assert figures["faults"] == []
    # Observers hold 10,000 events for their slowest.
    assert figures["events_dropped"] > 0
    assert figures["events_dropped"] + figures["events_seen"] <= 50_002
    assert figures["store_mib"] < 2
    assert figures["loop_lag_p99_ms"] < 2_000
