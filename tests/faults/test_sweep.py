"""Every call that an engine makes to its store fails once, in every scenario.

The n-th call is refused, or done and its answer lost, or slow, for every n until a run
has no such call; and all that was accepted must come to its right end all the same.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.scenarios import SCENARIOS
from tests.faults.world import opened
from trust.faulty import Fault

# Runs that wait for each other's pauses cost nothing; more than these would crowd the loop.
AT_A_TIME = 24
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (only as the parent of fresh directories)


async def strikes(store: str, place: Path, scenario: str, fault: Fault, n: int) -> list[str]:
    """Run a scenario once with the n-th call going wrong; the calls that did."""
    async with opened(store, place / f"{n}.db", fault, n) as world:
        try:
            await SCENARIOS[scenario](world)
            await world.verdict()
        except BaseException as error:
            error.add_note(f"{scenario} on {store}: call {n} {fault.name}: {world.struck}")
            raise
        return world.struck


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where there is one: thousands of stores are made in it."""
    if not SHARED_MEMORY.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=SHARED_MEMORY) as name:
        yield Path(name)


@pytest.mark.parametrize(
    ("store", "fault"),
    [
        *(("memory", fault) for fault in Fault),
        # How long a call takes is the engine's business alone.
        ("sqlite", Fault.REFUSED),
        ("sqlite", Fault.LOST),
    ],
)
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_fault_at_any_call_breaks_no_promise(
    store: str, scenario: str, fault: Fault, place: Path
) -> None:
    found: list[list[str]] = [["the first round"]]
    n = 1
    while all(found):
        async with asyncio.TaskGroup() as group:
            runs = [
                group.create_task(strikes(store, place, scenario, fault, number))
                for number in range(n, n + AT_A_TIME)
            ]
        found = [run.result() for run in runs]
        n += AT_A_TIME
    assert n > AT_A_TIME
