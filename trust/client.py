"""Clients that post durable tasks at a fixed rate and write down what they were told."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from trust.app import GROUP_SIZE, Via
from trust.evidence import Evidence
from trust.workload import WORK

__all__ = ["Load", "Tally"]

_VIAS: tuple[Via, ...] = (
    *("lane", "lane", "queue", "shared", "shared", "eager", "enqueue", "thread", "group"),
)
# All servers may be dead at once, and start slowly on a busy machine.
_PATIENCE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5
_TIMEOUT_SECONDS = 10.0


@dataclass
class Tally:
    """What came of the requests."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    given_up: int = 0


class Load:
    """Posts round-robin to the servers; a lost connection is tried again elsewhere.

    A new try is a new request with an id of its own: whether the lost one was stored is
    for the oracle to see.

    Args:
        urls: Of the servers.
        rate: Tasks per second, in all.
        acks: File for intents and acknowledgements.
        longest_ms: What a task takes at the most.
    """

    def __init__(
        self, urls: Sequence[str], rate: float, acks: Path, seed: int, longest_ms: int
    ) -> None:
        self._urls = itertools.cycle(urls)
        self._rate = rate
        self._evidence = Evidence(acks)
        self._random = random.Random(seed)
        self._longest_ms = longest_ms
        self._numbers = itertools.count(1)
        self._stopping = asyncio.Event()
        self.tally = Tally()

    async def run(self) -> None:
        """Post until `stop`, then wait for the answers that are still due."""
        # uvicorn serves a connection that it took in the moment of its SIGTERM for as long as
        # somebody uses it again.
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=0)
        async with (
            httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, limits=limits) as client,
            asyncio.TaskGroup() as posts,
        ):
            due = time.monotonic()
            while not self._stopping.is_set():
                kind = self._random.choice(list(WORK))
                via = self._random.choice(_VIAS)
                ms = self._random.randint(1, self._longest_ms)
                posts.create_task(self._post(client, kind, via, ms))
                due += (GROUP_SIZE if via == "group" else 1) / self._rate
                await self._wait(due - time.monotonic())

    def stop(self) -> None:
        self._stopping.set()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _post(self, client: httpx2.AsyncClient, kind: str, via: Via, ms: int) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pause = _FIRST_PAUSE_SECONDS
        while not await self.ask(client, next(self._urls), kind, via, ms):
            if time.monotonic() > deadline:
                self.tally.given_up += 1
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def ask(
        self, client: httpx2.AsyncClient, server: str, kind: str, via: Via, ms: int
    ) -> list[str]:
        """Ask a server for a task; the ids of what was accepted, none if nothing was."""
        rid = f"r{next(self._numbers)}"
        wanted = GROUP_SIZE if via == "group" else 1
        url = f"{server}/tasks/{kind}"
        self._evidence.write("intent", rid=rid, kind=kind, via=via, wanted=wanted)
        begun = time.monotonic()
        try:
            answer = await client.post(url, params={"rid": rid, "ms": ms, "via": via})
        except httpx2.TransportError as error:
            self.tally.answers[type(error).__name__] += 1
            return []
        self.tally.answers[str(answer.status_code)] += 1
        if answer.status_code != httpx2.codes.ACCEPTED:
            return []
        tasks: list[str] = answer.json()["task_ids"]
        self._evidence.write("ack", rid=rid, tasks=tasks)
        self.tally.seconds.append(time.monotonic() - begun)
        return tasks
