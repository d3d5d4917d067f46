"""What flow control costs a claim, and what a busy key costs others.

Claims of ten tasks from a store in SQLite, with limits and without, in turn; and with one task of a
key in front of which another key has 10,000, or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.figures import Bar, Figure, compare
from fastapi_taskflow import SqliteBackend
from fastapi_taskflow.backends.base import (
    Backend,
    ClaimRequest,
    InstanceInfo,
    Limits,
    NewTask,
    Outcome,
)
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.rates import Limit, Rate
from fastapi_taskflow.words.states import Move

__all__ = ["Effort", "measure"]

GROUP = "A claim of ten tasks, against one without flow control"
TWICE = Bar(limit=2.0)
FLAT = Bar(limit=1.2)

_TEN = 10
_BUSY = 10_000
_WHO = InstanceInfo(
    instance_id="bench",
    host="localhost",
    pid=1,
    started_at=datetime.now(UTC),
    roles=frozenset({"execute"}),
    ttl=3600.0,
)
_LARGE = Limit(1_000, Rate(1_000_000, 1))
_KINDS: dict[str, tuple[Limits | None, bool]] = {
    "global_concurrency": (Limits({"default": Limit(1_000)}, {}), False),
    "rate_limit": (Limits({"default": Limit(rate=_LARGE.rate)}, {}), False),
    "both, of queue and function": (Limits({"default": _LARGE}, {"f": _LARGE}), False),
    "a key for each task": (None, True),
    "keys and their rate": (Limits({}, {}, {"f": Rate(10, 1)}), True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    rounds: int
    claims: int


async def measure(effort: Effort, folder: Path) -> list[Figure]:
    """Everything, one after the other."""
    figures: list[Figure] = []
    for name, (limits, keyed) in _KINDS.items():
        rounds = []
        for number in range(effort.rounds):
            path = folder / f"flow-{len(figures)}-{number}.db"
            rounds.append(await _round(path, effort.claims, limits, keyed=keyed))
        figures.append(compare(GROUP, name, "us", rounds, TWICE))
    rounds = [await _behind(folder / f"busy-{n}.db", effort.claims) for n in range(effort.rounds)]
    name = "another key has 10,000 in front"
    figures.append(compare("A claim of one task of a key", name, "us", rounds, FLAT))
    return figures


async def _opened(path: Path) -> Backend:
    backend = SqliteBackend(path, synchronous="NORMAL")
    await backend.open(lambda: None)
    await backend.enlist(_WHO)
    return backend


async def _round(
    path: Path, claims: int, limits: Limits | None, *, keyed: bool
) -> tuple[float, float]:
    """Medians of claims with and without, in turn, from one store."""
    backend = await _opened(path)
    for func in "fg":
        number = claims * _TEN
        tasks = [_task(func, f"{n}" if keyed and func == "f" else None) for n in range(number)]
        for begin in range(0, number, 500):
            await backend.insert([tasks[begin : begin + 500]])
    took: dict[str, list[float]] = {"f": [], "g": []}
    for _ in range(claims):
        for func in "fg":
            took[func].append(await _claim(backend, func, _TEN, limits if func == "f" else None))
    await backend.close()
    return median(took["f"]), median(took["g"])


async def _behind(path: Path, claims: int) -> tuple[float, float]:
    """Medians where a busy key is in front, and where none is."""
    medians = []
    for busy in (_BUSY, 0):
        backend = await _opened(path.with_suffix(f".{busy}"))
        for begin in range(0, busy, 500):
            await backend.insert([[_task("f", "busy") for _ in range(begin, begin + 500)]])
        if busy:
            # It runs, and stays.
            await backend.claim(_request("f", 1, None))
        took = []
        for number in range(claims):
            await backend.insert([[_task("f", f"{number}")]])
            took.append(await _claim(backend, "f", 1, None))
        medians.append(median(took))
        await backend.close()
    return medians[0], medians[1]


async def _claim(backend: Backend, func: str, number: int, limits: Limits | None) -> float:
    """Microseconds; what was claimed is ended."""
    request = _request(func, number, limits)
    begun = perf_counter()
    claimed = await backend.claim(request)
    took = (perf_counter() - begun) * 1e6
    assert len(claimed) == number
    leases = [one.lease for one in claimed]
    await backend.start(leases)
    await backend.finish([Outcome(lease, Move.SUCCEED) for lease in leases])
    return took


def _request(func: str, number: int, limits: Limits | None) -> ClaimRequest:
    functions = frozenset({func})
    return ClaimRequest("bench", new_id(), {"default": number}, number, functions, 1, limits)


def _task(func: str, order_key: str | None) -> NewTask:
    now = datetime.now(UTC)
    return NewTask(new_id(), func, b"payload", "default", now, order_key=order_key)
