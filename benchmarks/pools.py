"""Pools of processes side by side: `python -m benchmarks.pools`.

What an executor needs of a pool: speed, that one running task can be killed while its neighbour
goes on, and that no child outlives a server that was killed. Each part runs in a program of its
own, which has a deadline: a pool may hang.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.adapters import ADAPTERS, Adapter
from benchmarks.work import matches, noop, pid_into, sleeps_in, takes

__all__: list[str] = []

BIG = b"x" * 10_000_000
BIG_CALLS = 20
_WAIT_SECONDS = 10.0
_DEADLINE_SECONDS = 60.0
_HUNG = "hangs"

Found = dict[str, Any]


async def speed(pool: Adapter, calls: int, _folder: Path) -> Found:
    await asyncio.gather(*(pool.call(noop) for _ in range(8)))
    await asyncio.gather(*(pool.call(takes, BIG) for _ in range(2)))
    return {
        "round trip, us": await _trip(pool, calls, noop) * 1e6,
        "no-ops/s": await _rate(pool, calls, noop),
        "round trip 10 MB, ms": await _trip(pool, BIG_CALLS, takes, BIG) * 1e3,
        "10 MB calls/s": await _rate(pool, BIG_CALLS, takes, BIG),
    }


async def _trip(pool: Adapter, calls: int, func: Callable[..., Any], *args: Any) -> float:
    taken: list[float] = []
    for _ in range(calls):
        begun = time.perf_counter()
        await pool.call(func, *args)
        taken.append(time.perf_counter() - begun)
    return median(taken)


async def _rate(pool: Adapter, calls: int, func: Callable[..., Any], *args: Any) -> float:
    begun = time.perf_counter()
    await asyncio.gather(*(pool.call(func, *args) for _ in range(calls)))
    return calls / (time.perf_counter() - begun)


async def kill(pool: Adapter, _calls: int, folder: Path) -> Found:
    """Kill the process of one task; what its neighbour and the next task say."""
    victim, neighbour, later = folder / "victim", folder / "neighbour", folder / "next"
    running = [asyncio.create_task(pool.call(sleeps_in, str(path))) for path in (victim, neighbour)]
    for path in (victim, neighbour):
        await _there(path)
    begun = time.perf_counter()
    os.kill(int(victim.read_text()), signal.SIGKILL)
    healed: str | float
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            await pool.call(pid_into, str(later))
        healed = (time.perf_counter() - begun) * 1e3
    except TimeoutError:
        healed = _HUNG
    except Exception as exc:  # the pool is broken, as its error says
        healed = type(exc).__name__
    await asyncio.sleep(0.5)  # a pool may end the neighbour a little later
    goes_on = not running[1].done() and _alive(int(neighbour.read_text()))
    return {
        "its neighbour": "goes on" if goes_on else "ends",
        "next task after a kill, ms": healed,
    }


async def crowd(pool: Adapter, _calls: int, folder: Path) -> Found:
    """One child idle, one in a call that holds the interpreter's lock; until we are killed."""
    sleeping = asyncio.create_task(pool.call(pid_into, str(folder / "idle")))
    stuck = asyncio.create_task(pool.call(matches, str(folder / "stuck")))
    await sleeping
    await _there(folder / "stuck")
    print("{}", flush=True)
    await stuck
    return {}


PARTS: dict[str, Callable[[Adapter, int, Path], Awaitable[Found]]] = {
    "speed": speed,
    "kill": kill,
    "crowd": crowd,
}


async def _there(path: Path) -> None:
    until = time.monotonic() + _WAIT_SECONDS
    while not path.exists():  # noqa: ASYNC240  (nothing else is to happen meanwhile)
        assert time.monotonic() < until, path
        await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _program(name: str, part: str, calls: int, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.pools", "--only", name, "--part", part]
    command += ["--calls", str(calls), "--folder", str(folder)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, process_group=0
    )


def _end_all(server: subprocess.Popen[str], folder: Path) -> None:
    """The program with its children, those too that have left its group."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    _end_tasks(folder)


def _end_tasks(folder: Path) -> None:
    for path in folder.iterdir():
        pid = int(path.read_text() or 0)
        if pid and _alive(pid):
            os.kill(pid, signal.SIGKILL)


def _answer(server: subprocess.Popen[str]) -> str:
    """Its line; empty if there is none by the deadline, or it has ended without one."""
    assert server.stdout is not None
    ready, _, _ = select.select([server.stdout], [], [], _DEADLINE_SECONDS)
    return server.stdout.readline() if ready else ""


def measured(name: str, part: str, calls: int) -> Found:
    with tempfile.TemporaryDirectory() as place, _program(name, part, calls, Path(place)) as server:
        line = _answer(server)
        _end_all(server, Path(place))
    return json.loads(line) if line else {part: _HUNG}


def orphans(name: str, calls: int) -> Found:
    """Who lives a second after a server was killed."""
    with (
        tempfile.TemporaryDirectory() as place,
        _program(name, "crowd", calls, Path(place)) as server,
    ):
        line = _answer(server)
        server.kill()
        time.sleep(1)
        folder = Path(place)
        lives = {path.name: _alive(int(path.read_text())) for path in folder.iterdir()}
        _end_all(server, folder)
    if not line:
        return {"crowd": _HUNG}
    return {
        "idle child of a killed server": "lives" if lives["idle"] else "ends",
        "child in a regular expression": "lives" if lives["stuck"] else "ends",
    }


def table(found: dict[str, Found]) -> str:
    rows = dict.fromkeys(row for each in found.values() for row in each)
    lines = ["| | " + " | ".join(found) + " |", "|---|" + "---:|" * len(found)]
    for row in rows:
        values = [each.get(row, "") for each in found.values()]
        cells = [f"{value:,.0f}" if isinstance(value, float) else str(value) for value in values]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def compared(names: list[str], rounds: int, calls: int) -> dict[str, Found]:
    """In turns, so that a machine that is busy for a while is so for all; medians of rounds."""
    speeds: dict[str, list[Found]] = {name: [] for name in names}
    for number in range(rounds):
        print(f"... speed, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for name in names:
            speeds[name].append(measured(name, "speed", calls))
    found: dict[str, Found] = {}
    for name in names:
        print(f"... kills, {name}", file=sys.stderr, flush=True)
        found[name] = _middle(speeds[name])
        found[name] |= measured(name, "kill", calls) | orphans(name, calls)
    return found


def _middle(rounds: list[Found]) -> Found:
    """Medians of rounds; a pool that hung in one of them has none."""
    hung = next((each for each in rounds if _HUNG in each.values()), None)
    return hung or {row: median(each[row] for each in rounds) for row in rounds[0]}


async def _part(name: str, part: str, calls: int, folder: Path) -> None:
    async with ADAPTERS[name]() as pool:
        found = await PARTS[part](pool, calls, folder)
        print(json.dumps(found), flush=True)
        # It is ended from outside, with its children: a pool that lost one may wait for it.
        signal.pause()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pools", description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=ADAPTERS, default=list(ADAPTERS))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        asyncio.run(_part(given.only[0], given.part, given.calls, given.folder))
        return
    names = [name for name in given.only if importlib.util.find_spec(ADAPTERS[name].module)]
    for name in set(given.only).difference(names):
        print(f"{name}: not installed", file=sys.stderr)
    print(table(compared(names, given.rounds, given.calls)))


if __name__ == "__main__":
    main()
