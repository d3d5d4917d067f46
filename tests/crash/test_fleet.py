"""Servers and a worker on each kind of store: a zombie made on purpose, and a random signal.

`python -m trust.fleet` has as many rounds as one likes.
"""

from pathlib import Path

import pytest

from trust.fleet import FleetOptions, measure
from trust.servers import KINDS

pytestmark = [pytest.mark.crash, pytest.mark.slow]

# No machine is so busy that heartbeats take as long.
TTL = 6.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_fleet_loses_nothing_and_hears_no_zombie(kind: str, tmp_path: Path) -> None:
    options = FleetOptions(
        rounds=2,
        instances=2,
        workers=1,
        rate=5.0,
        seed=4,
        stops=0.0,
        ttl=TTL,
        held=0.5,
        exit_rest=60.0,
    )

    fleet, outcome = measure(options, tmp_path, kind)

    assert outcome.violations == []
    assert outcome.faults == []
    assert fleet.zombies == 1
