"""`python -m benchmarks`: measures, and prints one table of ratios."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import fastapi

from benchmarks import engine, fleet, flow, history, plain, processes, viewers, web
from benchmarks.figures import Figure, as_json, table
from benchmarks.peers import race

SECTIONS = ("engine", "plain", "processes", "web", "history", "flow")
# Measured when they are asked for: they need servers, see `servers`, or minutes.
MORE = ("peers", "pickup", "scaling", "viewers")


def main() -> None:
    arguments = _arguments()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="taskflow-bench-", dir=arguments.dir) as folder:
        place = Path(folder)
        conditions = _conditions(place)
        print("  ".join(f"{name}: {value}" for name, value in conditions.items()), flush=True)
        figures: list[Figure] = []
        for section, measure in _sections(quick=arguments.quick).items():
            if section in arguments.only:
                print(f"... {section}", flush=True)
                figures += measure(place)
    print(table(figures))
    print(f"\nRatios are medians of rounds; {time.monotonic() - begun:.0f} s in all.")
    if arguments.json:
        content = {"conditions": conditions, "figures": as_json(figures)}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, rougher")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--only", nargs="+", choices=SECTIONS + MORE, default=SECTIONS)
    parser.add_argument(
        "--dir", type=Path, help="where databases go; a disk, not memory, or durable means little"
    )
    return parser.parse_args()


def _sections(*, quick: bool) -> dict[str, Callable[[Path], list[Figure]]]:
    if quick:
        tasks = engine.Effort(rounds=3, tasks=10_000, durable_tasks=4_000, samples=1_000)
        calls = plain.Effort(rounds=2, tasks=4_000)
        children = processes.Effort(rounds=3, calls=300)
        posts = web.Effort(rounds=2, seconds=0.7)
        past = history.Effort(rounds=2, samples=100)
        limits = flow.Effort(rounds=3, claims=60)
        races = race.Effort(rounds=1, tasks=3_000)
        several = fleet.Effort(rounds=1, samples=100, tasks=1_000)
        pages = viewers.Effort(rounds=1, seconds=5.0, samples=60, tasks=100_000)
    else:
        tasks = engine.Effort(rounds=9, tasks=20_000, durable_tasks=10_000, samples=2_000)
        calls = plain.Effort(rounds=7, tasks=10_000)
        children = processes.Effort(rounds=9, calls=1_000)
        posts = web.Effort(rounds=7, seconds=2.0)
        past = history.Effort(rounds=5, samples=200)
        limits = flow.Effort(rounds=9, claims=100)
        races = race.Effort(rounds=5, tasks=10_000)
        several = fleet.Effort(rounds=3, samples=300, tasks=2_000)
        pages = viewers.Effort(rounds=3, seconds=20.0, samples=300)
    return {
        "engine": lambda folder: asyncio.run(engine.measure(tasks, folder)),
        "plain": lambda folder: asyncio.run(plain.measure(calls, folder)),
        "processes": lambda _: asyncio.run(processes.measure(children)),
        "web": lambda folder: web.measure(posts, folder),
        "history": lambda folder: asyncio.run(history.measure(past, folder)),
        "flow": lambda folder: asyncio.run(flow.measure(limits, folder)),
        "peers": lambda _: race.measure(races),
        "pickup": lambda _: fleet.pickup(several),
        "scaling": lambda _: fleet.scaling(several),
        "viewers": lambda folder: viewers.measure(pages, folder),
    }


def _conditions(folder: Path) -> dict[str, Any]:
    """What the figures depend on."""
    parser = "httptools" if importlib.util.find_spec("httptools") else "h11"
    loop = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    return {
        "python": platform.python_version(),
        "fastapi": fastapi.__version__,
        "sqlite": sqlite3.sqlite_version,
        "cpus": os.cpu_count(),
        "uvicorn": f"{parser}, {loop}",
        "fsync": f"{_fsync_us(folder):.0f} us",
    }


def _fsync_us(folder: Path) -> float:
    taken: list[float] = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            begun = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1e6)
    return median(taken)


if __name__ == "__main__":
    main()
