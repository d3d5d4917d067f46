"""An app on a server whose disk gets full: refused, ended once there is room, and nothing lost."""

import pytest

from trust.diskfull import SERVERS, can_mount, run
from trust.fullsite import RUNNING

pytestmark = [pytest.mark.crash, pytest.mark.slow]


@pytest.mark.parametrize("kind", SERVERS)
def test_an_app_goes_through_a_full_disk_of_its_server_and_loses_nothing(kind: str) -> None:
    if not can_mount(kind):
        pytest.skip("only root may give a server a disk of its own")

    figures = run(kind)

    assert figures["faults"] == []
    assert figures["running"] == RUNNING
    # One was accepted at least after room was made.
    assert figures["accepted"] > RUNNING
