"""When an instance counts as dead: never for a reason that is our own."""

from dataclasses import replace

import pytest

from fastapi_taskflow import MemoryBackend
from fastapi_taskflow.backends.base import InstanceInfo, Peer
from fastapi_taskflow.engine.fleet.recovery import Moment, Recovery
from fastapi_taskflow.testing import ManualClock
from fastapi_taskflow.testing.conformance.harness import accept, claim, task
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
            recovered=lambda _: self.pass_by(),
        )

    def pass_by(self) -> None:
        """A minute in which nobody looks, and our own heart beats on."""
        self.clock.advance(60.0)
        for _ in range(12):
            self.recovery.beaten(stored=True)

    async def begin(self) -> None:
        await self.backend.open(lambda: None)
        for name in ("me", "peer"):
            await self.backend.enlist(replace(PEER, instance_id=name))

    async def look(self, counter: int, asked: Moment | None = None, *more: Peer) -> None:
        peers = [*more, Peer(PEER, counter, 0.0)]
        await self.recovery.look(peers, asked or self.recovery.now())

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


async def test_an_answer_that_comes_late_kills_nobody(watcher: Watcher) -> None:
    asked = watcher.recovery.now()
    watcher.pass_by()
    await watcher.look(1, asked)
    assert await watcher.peers() == {"me", "peer"}

    asked = watcher.recovery.now()
    watcher.pass_by()
    await watcher.look(2, asked)
    await watcher.look(2)
    assert await watcher.peers() == {"me", "peer"}


async def test_who_lives_is_not_taken_for_dead_after_a_long_take_over(watcher: Watcher) -> None:
    dead = replace(PEER, instance_id="dead")
    await watcher.backend.enlist(dead)
    await accept(watcher.backend, task())
    assert await claim(watcher.backend, "dead")
    for beats in (1, 2, 2, 3, 3):
        await watcher.look(beats, None, Peer(dead, 1, 0.0))
        watcher.clock.advance(5.0)
        watcher.recovery.beaten(stored=True)

    assert await watcher.peers() == {"me", "peer"}
