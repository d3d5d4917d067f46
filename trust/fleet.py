"""Instances and workers on one store, hit by signals at random; and zombies, made on purpose.

``python -m trust.fleet --backend postgresql`` (or ``mysql``, ``redis``, ``sqlite``, or a server's
address): three servers and two workers, 50 rounds of SIGKILL, SIGTERM and SIGSTOP. In a third of
them the owner of a task that runs is stopped until a peer has taken the task over, and is then let
go on: what it says is late. Each store writes down itself what changes in it (`trust.ledgers`), and
the oracle of `trust.chaos` reads that. If anything was wrong it exits with 1, and keeps what it
found.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from trust.app import Via
from trust.chaos import Chaos, Options
from trust.client import Tally
from trust.evidence import read_lines
from trust.figures import quantiles
from trust.history import Death, History
from trust.instances import Instance
from trust.outcome import Outcome, show
from trust.ownstores import own_store
from trust.servers import KINDS, serving

__all__ = ["Fleet", "FleetOptions", "measure"]

_LOOK_SECONDS = 0.02
# Of a busy machine, for what takes a time-to-live when it is not.
_PATIENCE_SECONDS = 60.0
_KINDS = "plain", "plain_threaded", "requeueable", "requeueable_threaded"
_VIAS: tuple[Via, ...] = "eager", "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions(Options):
    """One round of so many (``zombie_every``) makes a zombie; its task takes ``held`` seconds."""

    rounds: int = 50
    workers: int = 2
    zombie_every: int = 3
    terms: float = 0.15
    stops: float = 0.15
    ttl: float = 3.0
    heartbeat: float = 0.5
    # Watchers count only while their own heartbeats are stored: on a busy machine that is long.
    recovery: float = 60.0
    # Longer than a busy machine needs to find its owner and to stop it.
    held: float = 5.0
    # Five processes on a few cores.
    exit_rest: float = 20.0


class Fleet(Chaos):
    """One run."""

    def __init__(self, options: FleetOptions, place: Path, store: str) -> None:
        super().__init__(options, place, store)
        self._fleet = options
        self.zombies = 0
        # From the stop of the owner to the peer's first word on the task, in seconds.
        self.taken_over: list[float] = []

    async def _disturb(self) -> None:
        async with httpx2.AsyncClient(timeout=_PATIENCE_SECONDS) as client:
            for number in range(1, self._fleet.rounds + 1):
                await self._rest()
                if number % self._fleet.zombie_every == 0:
                    await self._make_zombie(client)
                else:
                    await self._strike()

    async def _make_zombie(self, client: httpx2.AsyncClient) -> None:
        """Stop the owner of a task until somebody else has it, and let it go on."""
        server = await self._victim()
        while server.config.worker:
            server = await self._victim()
        kind, via = self._random.choice(_KINDS), self._random.choice(_VIAS)
        held = int(self._fleet.held * 1000)
        asked = await self._load.ask(client, server.url, kind, via, held)
        if not asked:
            self._faults.append(f"{server.url} accepted no task")
            return
        (task,) = asked
        owner = await self._owner_of(task)
        if owner is None:
            return
        at = await asyncio.to_thread(owner.freeze)
        self._deaths.append(Death(owner.pid, at, "STOP"))
        fence, name = await self._ledger.held(task)
        if name is not None:
            await self._until(lambda: self._is_lost(task, fence, name), f"nobody took {task} over")
            if (await self._ledger.held(task))[0] > fence:
                self.taken_over.append(time.time() - at)
                self.zombies += 1
        # Else it was quicker.
        owner.thaw()

    async def _owner_of(self, task: str) -> Instance | None:
        """Who has begun it, unless nobody has, or who has is gone."""
        found: list[int] = []

        async def begun() -> bool:
            lines = read_lines(self._place / "effects.log", having=task)
            found[:] = [one["pid"] for one in lines if one["what"] == "start"]
            return bool(found)

        await self._until(begun, f"nobody began {task}")
        return next((one for one in self._instances if one.pid in found[-1:]), None)

    async def _is_lost(self, task: str, fence: int, owner: str) -> bool:
        """Taken over (its fence has grown), or ended by what its owner had sent before."""
        return await self._ledger.held(task) != (fence, owner)

    async def _until(self, condition: Callable[[], Awaitable[bool]], fault: str) -> None:
        """Wait for a condition; it is a fault if it does not come."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not await condition():
            if time.monotonic() > deadline:
                self._faults.append(fault)
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _check(self, found: History, tally: Tally) -> None:
        super()._check(found, tally)
        if not self.zombies:
            self._faults.append("there was no zombie")


def measure(options: FleetOptions, place: Path, backend: str) -> tuple[Fleet, Outcome]:
    """One run on a new store; ``backend`` as `trust.servers.serving` takes it."""
    with serving(backend) as url, own_store(url, place) as store:
        fleet = Fleet(options, place, store)
        return fleet, asyncio.run(fleet.run())


def _parse() -> argparse.Namespace:
    defaults = FleetOptions()
    parser = argparse.ArgumentParser(prog="python -m trust.fleet", description=__doc__)
    parser.add_argument("--backend", default="sqlite", help=f"{', '.join(KINDS)} or an address")
    parser.add_argument("--rounds", type=int, default=defaults.rounds)
    parser.add_argument("--rate", type=float, default=30.0, help="tasks per second")
    parser.add_argument("--ttl", type=float, default=defaults.ttl)
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument("--place", type=Path, default=None, help="a new directory; is kept")
    return parser.parse_args()


def main() -> int:
    """Run and print; the process's exit code."""
    given = _parse()
    seed = given.seed if given.seed is not None else int.from_bytes(os.urandom(3))
    options = FleetOptions(rounds=given.rounds, rate=given.rate, ttl=given.ttl, seed=seed)
    place = given.place or Path(tempfile.mkdtemp(prefix="trust-"))
    place.mkdir(parents=True, exist_ok=True)
    print(given.backend, options)
    fleet, outcome = measure(options, place, given.backend)
    clean = show(outcome, place)
    print(f"{fleet.zombies} zombies; taken over from them after (s): {quantiles(fleet.taken_over)}")
    if clean and given.place is None:
        shutil.rmtree(place)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
