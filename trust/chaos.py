"""Kill servers at random while clients post durable tasks; then count what became of them.

``python -m trust.chaos --kills 50 --instances 3 --rate 50 --seed 1``

Exits with 1 if anything that SEMANTICS promises did not hold, and then keeps the database,
the evidence and the servers' logs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from trust import history
from trust.app import Config
from trust.client import Load, Tally
from trust.history import Death, History
from trust.instances import Instance
from trust.ledgers import ledger_of
from trust.oracle import judge
from trust.outcome import Outcome, show
from trust.recovery import recoveries

__all__ = ["Chaos", "Options", "main"]

_START_SECONDS = 60.0
_QUIESCE_SECONDS = 60.0
_LOOK_SECONDS = 0.02
# So many kills must hit a server at work.
_ENOUGH_KILLS = 10
_SHORT_TTL = 1.5
_BEATS_PER_TTL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much chaos. Shares are parts of the events that are not SIGKILL."""

    kills: int = 50
    instances: int = 3
    workers: int = 0
    rate: float = 50.0
    seed: int = 1
    # Of a task, in milliseconds. Few that take long show as much as many that are short.
    longest_ms: int = 120
    shortest: float = 0.4
    longest: float = 2.0
    terms: float = 0.0
    stops: float = 0.0
    drain_timeout: float = 1.0
    # What a drain may take beyond its own time; 2 is what SEMANTICS says.
    exit_rest: float = 2.0
    # In which another one sees to what a killed one held.
    recovery: float = 2.0
    heartbeat: float = 5.0
    ttl: float = 20.0

    def with_stops(self, share: float, ttl: float | None = None) -> Options:
        """Stops among the kills: then, unless it is given, the time-to-live is short.

        A pause beyond it should not take a minute each.
        """
        seconds = ttl or (_SHORT_TTL if share else self.ttl)
        return replace(
            self, stops=share, ttl=seconds, heartbeat=min(self.heartbeat, seconds / _BEATS_PER_TTL)
        )


class Chaos:
    """One run in one directory.

    Args:
        place: For what it leaves.
        store: A path or an address of an empty store; None: a file in that directory.
    """

    def __init__(self, options: Options, place: Path, store: str | None = None) -> None:
        self._options = options
        self._place = place
        self._store = store or str(place / "tasks.db")
        self._ledger = ledger_of(self._store)
        self._random = random.Random(options.seed)
        # Of its own, so that a seed has the same signals on every machine.
        self._lots = random.Random(options.seed)
        self._deaths: list[Death] = []
        self._faults: list[str] = []
        self._instances: list[Instance] = []
        # Not ready yet since their last start.
        self._starting: set[Instance] = set()

    async def run(self) -> Outcome:
        """Load and kills, quiet, verdict."""
        begun = time.monotonic()
        await self._ledger.prepare()
        with ExitStack() as stack:
            self._start(stack)
            await self._ready(self._instances)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._load.run())
                try:
                    await self._disturb()
                finally:
                    self._load.stop()
            await self._ready(self._instances)
            await self._quiesce()
            await asyncio.gather(*(self._end(instance) for instance in self._instances))
        found = await history.read(
            self._ledger, self._place / "effects.log", self._place / "acks.log", self._deaths
        )
        await self._ledger.close()
        found.recovery_seconds = self._options.recovery
        tally = self._load.tally
        self._check(found, tally)
        return Outcome(found, judge(found), tally, time.monotonic() - begun, self._faults)

    def _start(self, stack: ExitStack) -> None:
        options = self._options
        for number in range(options.instances + options.workers):
            config = replace(self._config(), worker=number >= options.instances)
            instance = Instance(config, self._place / f"server{number}.log")
            self._instances.append(stack.enter_context(instance))
            self._spawn(instance)
        urls = [one.url for one in self._instances if not one.config.worker]
        self._load = Load(
            urls, options.rate, self._place / "acks.log", options.seed, options.longest_ms
        )

    def _check(self, found: History, tally: Tally) -> None:
        """A run in which nothing happened proves nothing."""
        if not any(request.tasks for request in found.requests):
            self._faults.append("nothing was acknowledged")
        if tally.given_up:
            self._faults.append(f"{tally.given_up} requests were not answered by anybody")
        if self._options.kills >= _ENOUGH_KILLS and not recoveries(found):
            self._faults.append("no server was killed while it held a task")

    def _config(self) -> Config:
        return Config(
            db=self._store,
            evidence=str(self._place / "effects.log"),
            port=0,
            drain_timeout=self._options.drain_timeout,
            heartbeat=self._options.heartbeat,
            ttl=self._options.ttl,
        )

    # Disturbing

    async def _disturb(self) -> None:
        while sum(one.how == "KILL" for one in self._deaths) < self._options.kills:
            await self._rest()
            await self._strike()

    async def _rest(self) -> None:
        await asyncio.sleep(self._random.uniform(self._options.shortest, self._options.longest))

    async def _strike(self) -> None:
        """One signal to one server."""
        instance = await self._victim()
        luck = self._lots.random()
        if luck < self._options.terms:
            await self._drain(instance)
        elif luck < self._options.terms + self._options.stops:
            await self._pause(instance)
        else:
            self._deaths.append(Death(instance.pid, instance.kill(), "KILL"))
            self._spawn(instance)

    async def _victim(self) -> Instance:
        """Any server that serves. (One that is starting has nothing to lose yet.)"""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            serving = [one for one in self._instances if self._serves(one)]
            if serving:
                return self._random.choice(serving)
            assert time.monotonic() < deadline, "no server came up"
            await asyncio.sleep(_LOOK_SECONDS)

    async def _drain(self, instance: Instance) -> None:
        self._deaths.append(Death(instance.pid, time.time(), "TERM"))
        await self._end(instance)
        self._spawn(instance)

    async def _pause(self, instance: Instance) -> None:
        """Stop one for less or for more than its time-to-live."""
        self._deaths.append(Death(instance.pid, time.time(), "STOP"))
        instance.send(signal.SIGSTOP)
        await asyncio.sleep(self._random.uniform(0.1, 2.5) * self._options.ttl)
        instance.thaw()

    async def _end(self, instance: Instance) -> None:
        limit = self._options.drain_timeout + self._options.exit_rest
        try:
            await asyncio.to_thread(instance.terminate, limit)
        except AssertionError:
            told = instance.abort()
            self._faults.append(f"{instance.pid} runs on {limit:g} s after SIGTERM\n{told}")

    # Waiting

    def _spawn(self, instance: Instance) -> None:
        instance.spawn()
        self._starting.add(instance)

    def _serves(self, instance: Instance) -> bool:
        if instance in self._starting and instance.said("ready"):
            self._starting.discard(instance)
        if not instance.alive:
            self._faults.append(f"a server died by itself: {instance.output()}")
            self._spawn(instance)
        return instance not in self._starting

    async def _ready(self, instances: Sequence[Instance]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not all(self._serves(one) for one in instances):
            assert time.monotonic() < deadline, "a server did not come up"
            await asyncio.sleep(_LOOK_SECONDS)

    async def _quiesce(self) -> None:
        """Wait until nothing is PENDING or RUNNING; what stays is for the oracle to see."""
        deadline = time.monotonic() + _QUIESCE_SECONDS
        while await self._ledger.left() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    defaults = Options()
    parser = argparse.ArgumentParser(prog="python -m trust.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=defaults.kills)
    parser.add_argument("--instances", type=int, default=defaults.instances)
    parser.add_argument("--rate", type=float, default=defaults.rate, help="tasks per second")
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument("--terms", type=float, default=0.0, help="share of SIGTERM")
    parser.add_argument("--stops", type=float, default=0.0, help="share of SIGSTOP and SIGCONT")
    parser.add_argument("--ttl", type=float, default=None, help="time-to-live of an instance, s")
    parser.add_argument("--place", type=Path, default=None, help="a new directory; is kept")
    parser.add_argument(
        "--pr", action="store_true", help="the kills, then some of them among other signals"
    )
    return parser.parse_args(arguments)


def _runs(given: argparse.Namespace) -> Iterator[Options]:
    seed = given.seed if given.seed is not None else int.from_bytes(os.urandom(3))
    first = Options(
        kills=given.kills, instances=given.instances, rate=given.rate, seed=seed, terms=given.terms
    )
    yield first.with_stops(given.stops, given.ttl)
    if given.pr:
        mixed = replace(first, kills=given.kills // 5, seed=seed + 1, terms=0.25)
        yield mixed.with_stops(0.25, given.ttl)


def _show(options: Options, place: Path) -> bool:
    """Run and print; True if all is well."""
    print(options)
    return show(asyncio.run(Chaos(options, place).run()), place)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; the process's exit code."""
    given = _parse(arguments)
    place = given.place or Path(tempfile.mkdtemp(prefix="trust-"))
    clean = True
    for number, options in enumerate(_runs(given), 1):
        run = place / str(number)
        run.mkdir(parents=True)
        clean = _show(options, run) and clean
    if clean and given.place is None:
        shutil.rmtree(place)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
