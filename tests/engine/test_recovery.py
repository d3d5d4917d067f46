"""When an instance counts as dead: never for a reason that is our own."""

from dataclasses import replace

import pytest

from fastapi_taskflow import MemoryBackend
from fastapi_taskflow.backends.base import InstanceInfo, Peer
from fastapi_taskflow.engine.fleet.recovery import Recovery
from fastapi_taskflow.testing import ManualClock
from fastapi_taskflow.words.clock import SYSTEM_CLOCK

PEER = InstanceInfo(
    instance_id="peer",
    host="elsewhere",
    pid=1,
    started_at=SYSTEM_CLOCK.now(),
    roles=frozenset(),
    ttl=20.0,
)


class Watcher:
    """Our side of the watch: looks, and beats every 5 s unless its process stands still."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()
        self.clock = ManualClock()
        self.recovery = Recovery(
            self.backend,
            self.clock,
            interval=5.0,
            instance=lambda: "me",
            recovered=lambda _: None,
        )

    async def begin(self) -> None:
        await self.backend.open(lambda: None)
        for name in ("me", "peer"):
            await self.backend.enlist(replace(PEER, instance_id=name))

    async def look(self, counter: int) -> None:
        await self.recovery.look([Peer(PEER, counter, 0.0)])

    async def watch(self, counter: int, *, rounds: int) -> None:
        for _ in range(rounds):
            self.clock.advance(5.0)
            self.recovery.beaten(stored=True)
            await self.look(counter)

    async def peers(self) -> set[str]:
        return {peer.info.instance_id for peer in (await self.backend.signals("me")).peers}


@pytest.fixture
async def watcher() -> Watcher:
    watcher = Watcher()
    await watcher.begin()
    await watcher.look(1)
    return watcher


async def test_a_counter_that_stands_still_for_its_time_to_live_is_a_death(
    watcher: Watcher,
) -> None:
    await watcher.watch(1, rounds=3)
    assert await watcher.peers() == {"me", "peer"}

    await watcher.watch(1, rounds=1)
    assert await watcher.peers() == {"me"}


async def test_a_counter_that_moves_is_a_life(watcher: Watcher) -> None:
    for counter in range(2, 30):
        await watcher.watch(counter, rounds=3)

    assert await watcher.peers() == {"me", "peer"}


async def test_a_freeze_of_the_whole_machine_kills_nobody(watcher: Watcher) -> None:
    watcher.clock.advance(3600)
    await watcher.look(1)

    assert await watcher.peers() == {"me", "peer"}


async def test_an_outage_of_the_store_kills_nobody(watcher: Watcher) -> None:
    for _ in range(10):
        await watcher.watch(1, rounds=3)
        watcher.recovery.beaten(stored=False)

    assert await watcher.peers() == {"me", "peer"}
