"""A server and a worker on each kind of store: a kill, a drain, and a zombie made on purpose.

`python -m trust.fleet` has as many rounds as one likes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.databases import SERVERS, database
from trust.fleet import FleetOptions, measure
from trust.servers import KINDS

pytestmark = [pytest.mark.crash, pytest.mark.slow]

# No machine is so busy that heartbeats take as long.
TTL = 6.0


@contextmanager
def place_of(kind: str) -> Iterator[str]:
    """What `measure` takes: a server that runs, where nothing needs to be known of the others."""
    if kind in SERVERS:
        with database(kind) as running:
            yield running.url
    else:
        yield kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_fleet_loses_nothing_and_hears_no_zombie(kind: str, tmp_path: Path) -> None:
    options = FleetOptions(
        rounds=3,
        instances=1,
        workers=1,
        rate=5.0,
        longest_ms=1000,
        shortest=0.2,
        longest=0.5,
        # It begins KILL, TERM.
        seed=10,
        terms=0.5,
        stops=0.0,
        ttl=TTL,
        exit_rest=60.0,
    )

    with place_of(kind) as backend:
        fleet, outcome = measure(options, tmp_path, backend)

    assert outcome.violations == []
    assert outcome.faults == []
    assert [death.how for death in outcome.history.deaths] == ["KILL", "TERM", "STOP"]
    assert fleet.zombies == 1
