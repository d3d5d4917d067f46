"""Children die with their server in a container; `python -m trust.orphans` has all rounds."""

import pytest

from tests.support.tools import need
from tests.support.waiting import PATIENCE_SECONDS
from trust.orphans import PLACES, UNSHARE, measure

pytestmark = [pytest.mark.crash, pytest.mark.slow]


@pytest.mark.parametrize("place", ["pid1", "container"])
def test_nothing_of_a_killed_server_goes_on(place: str) -> None:
    need(*UNSHARE, "true")

    outcome = measure(1, PLACES[place], limit=PATIENCE_SECONDS)

    assert outcome.faults == []
