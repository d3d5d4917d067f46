"""An app on a disk that gets full, in three ways: refused, ended, and nothing lost."""

import pytest

from tests.support.tools import need
from trust.diskfull import WAYS, can_mount, run
from trust.fullsite import RUNNING

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("way", WAYS)
def test_an_app_goes_through_a_full_disk_and_loses_nothing(way: str):
    if not can_mount(way):
        need("unshare", "-Urm", "true")

    figures = run(way)

    assert figures["faults"] == []
    assert figures["running"] == RUNNING
    # What may not grow at all may find no room for the ends of a few; they come after.
    spare = 5 if way == "pages" else 0
    # One is accepted after room was made.
    assert figures["ended_while_full"] >= figures["accepted"] - 1 - spare
    # A repeated failure is told once.
    assert figures["log_lines"] < 20
    assert figures["refused_in_seconds"] < 2.0
