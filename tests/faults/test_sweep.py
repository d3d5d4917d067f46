"""Every call that an engine makes to its store goes wrong once, in three ways.

The n-th call is refused, or done and its answer lost, or slow, for every n until a run
has no such call; and all that was accepted must come to its right end all the same.

Runs wait for each other's pauses, so all scenarios go at once; the notes of a failure name
the one that it belongs to. ``TASKFLOW_LONG_FAULTS=1`` takes minutes and leaves nothing out.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.scenarios import SCENARIOS
from tests.faults.world import LONG, opened
from trust.faulty import Fault

pytestmark = pytest.mark.slow

# Runs at a time. Each one on SQLite has a dozen threads, which fight for the interpreter;
# to crowd the machine makes waits look like faults.
AT_A_TIME = {"memory": 24, "sqlite": 5}
PER_SCENARIO = {"memory": 6, "sqlite": 3}
# A test that takes part of the scenarios ends in good time on a busy machine too.
PARTS = 3
ODDS = 0.15
SEEDS = {"memory": range(100 if LONG else 4), "sqlite": range(30 if LONG else 2)}
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (only as the parent of fresh directories)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory in memory, where there is one: thousands of stores are made in it."""
    with TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as name:
        yield Path(name)


class Sweep:
    """Runs on one kind of store, with one kind of fault."""

    def __init__(self, store: str, fault: Fault, place: Path) -> None:
        self._store = store
        self._fault = fault
        self._place = place
        self._slots = asyncio.Semaphore(AT_A_TIME[store])

    async def run(self, scenario: str, n: int, *, odds: float = 0.0) -> list[str]:
        """Run a scenario once with the n-th call going wrong; the calls that did."""
        path = self._place / f"{scenario}{n}.db"
        async with self._slots, opened(self._store, path, self._fault, n, odds=odds) as world:
            try:
                await SCENARIOS[scenario](world)
                await world.verdict()
            except BaseException as error:
                what = f"{self._store}, {self._fault.name} {n}: {world.struck[-20:]}"
                error.add_note(f"{scenario} on {what}")
                raise
            return world.struck

    async def every_call(self, scenario: str) -> int:
        """Runs with each call of the scenario going wrong; how many calls there are."""
        numbers = iter(range(1, 10_000))
        struck: set[int] = set()

        async def go_on() -> None:
            while await self.run(scenario, number := next(numbers)):
                struck.add(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(PER_SCENARIO[self._store]):
                group.create_task(go_on())
        return len(struck)


@pytest.mark.parametrize(
    ("store", "fault"),
    [
        # What is done and not known of is between the engine and the store. A call that never
        # reaches it, or takes long, is the engine's business alone.
        ("sqlite", Fault.LOST),
        *((("sqlite", Fault.REFUSED),) if LONG else ()),
        *(("memory", fault) for fault in Fault),
    ],
)
@pytest.mark.parametrize("part", range(PARTS))
async def test_a_fault_at_any_call_breaks_no_promise(
    part: int, store: str, fault: Fault, place: Path
) -> None:
    sweep = Sweep(store, fault, place)
    scenarios = list(SCENARIOS)[part::PARTS]

    async with asyncio.TaskGroup() as group:
        sweeps = [group.create_task(sweep.every_call(scenario)) for scenario in scenarios]

    # An engine cannot start, run a task and stop with fewer.
    assert min(one.result() for one in sweeps) >= 6


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST])
@pytest.mark.parametrize("store", ["sqlite", "memory"])
async def test_with_many_calls_going_wrong_all_ends_well(
    store: str, fault: Fault, place: Path
) -> None:
    sweep = Sweep(store, fault, place)

    async with asyncio.TaskGroup() as group:
        runs = [
            group.create_task(sweep.run(scenario, seed, odds=ODDS))
            for scenario in SCENARIOS
            for seed in SEEDS[store]
        ]

    assert sum(len(run.result()) for run in runs) > len(runs)
