"""The dashboard of a store with a long history, while tasks run and fifty pages are open.

Pages are played by clients that follow the streams which the views follow, and ask for lists as
they do. The app and the clients are processes of their own.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from benchmarks.board import RATE
from benchmarks.figures import Bar, Figure, compare, percentile
from benchmarks.history import build
from benchmarks.serving import get, served

__all__ = ["Effort", "measure"]

VIEWERS = 50
LIST_MS, LOAD_MS, CPU_PERCENT, BYTES = 100.0, 1_000.0, 20.0, 20_000.0
_UNDER = Bar(limit=1)

# What the views follow.
STREAMS = (
    "",
    "status=failed",
    "view=metrics&view=newest&bucket=minute",
    "view=queues&view=pauses",
    "view=functions",
)
LISTS = (
    "brief=true&limit=100",
    "status=failed&limit=100&brief=true",
    "func_name=charge&limit=100&brief=true",
    "tag=customer%3A7&limit=100&brief=true",
    "q=ValueError&limit=100&brief=true",
    "q=nowhere&limit=100&brief=true",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured. ``tasks`` is the length of the history."""

    rounds: int
    seconds: float
    samples: int
    tasks: int = 1_000_000


def measure(effort: Effort, folder: Path) -> list[Figure]:
    group = f"Dashboard, {effort.tasks:,} ended tasks and {RATE}/s, against what it may take"
    path = folder / "board.db"
    asyncio.run(build(path, effort.tasks))
    with served("benchmarks.board", str(path)) as port:
        loads = [_load_ms(port) for _ in range(effort.rounds)]
        rounds = [asyncio.run(_watched(port, effort)) for _ in range(effort.rounds)]

    def figure(name: str, unit: str, values: list[float], limit: float) -> Figure:
        return compare(group, name, unit, [(value, limit) for value in values], _UNDER)

    lists = [percentile(one.list_ms, 0.95) for one in rounds]
    return [
        figure("page, its files, first list and metrics", "ms", loads, LOAD_MS),
        figure(f"lists and searches, p95, {VIEWERS} viewers", "ms", lists, LIST_MS),
        figure(f"{VIEWERS} viewers, % of a core", "%", [one.cpu for one in rounds], CPU_PERCENT),
        figure("the busiest viewer, bytes/s", "B/s", [max(one.bytes) for one in rounds], BYTES),
    ]


@dataclass(frozen=True, slots=True)
class Watched:
    """One round: CPU beyond that without viewers, and what each of them was sent per second."""

    cpu: float
    bytes: list[float]
    list_ms: list[float]


async def _watched(port: int, effort: Effort) -> Watched:
    alone = await _cpu_percent(port, effort.seconds)
    async with _viewers(port) as received:
        await asyncio.sleep(1.0)  # the greetings
        before = received.copy()
        begun = time.monotonic()
        watched = await _cpu_percent(port, effort.seconds)
        spent = time.monotonic() - begun
        lists = [await _timed(port, f"/tasks?{one}") for one in _asked(effort.samples)]
    sent = [(received[number] - before[number]) / spent for number in range(VIEWERS)]
    return Watched(watched - alone, sent, lists)


def _asked(samples: int) -> Iterator[str]:
    return islice(cycle(LISTS), samples)


async def _cpu_percent(port: int, seconds: float) -> float:
    async def spent() -> float:
        found = await asyncio.to_thread(get, port, "/state")
        return float(json.loads(found)["cpu_seconds"])

    begun, before = time.monotonic(), await spent()
    await asyncio.sleep(seconds)
    return (await spent() - before) / (time.monotonic() - begun) * 100


async def _timed(port: int, path: str) -> float:
    begun = time.perf_counter()
    await asyncio.to_thread(get, port, path)
    return (time.perf_counter() - begun) * 1e3


@asynccontextmanager
async def _viewers(port: int) -> AsyncIterator[Counter[int]]:
    """Fifty open streams; bytes received by each."""
    received: Counter[int] = Counter()
    async with asyncio.TaskGroup() as group:
        following = [
            group.create_task(_follow(port, query, number, received))
            for number, query in enumerate(islice(cycle(STREAMS), VIEWERS))
        ]
        yield received
        for one in following:
            one.cancel()


async def _follow(port: int, query: str, number: int, received: Counter[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = f"GET /tasks/dashboard/stream?{query} HTTP/1.1\r\nhost: localhost\r\n\r\n"
        writer.write(request.encode())
        assert b" 200 " in await reader.readline()
        while content := await reader.read(65536):
            received[number] += len(content)
    finally:
        writer.close()


def _load_ms(port: int) -> float:
    """What a browser fetches to show the list, one after the other."""
    begun = time.perf_counter()
    page = get(port, "/tasks/dashboard/tasks").decode()
    for path in re.findall(r'(?:src|href)="([^"]+\.(?:js|css|svg))"', page):
        get(port, path if path.startswith("/") else f"/tasks/dashboard/{path}")
    get(port, f"/tasks?{LISTS[0]}")
    get(port, "/tasks/metrics")
    return (time.perf_counter() - begun) * 1e3
