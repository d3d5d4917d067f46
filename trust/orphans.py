"""Kill servers whose children work: no child may outlive its server (TRUST, R22).

``python -m trust.orphans --rounds 30``: in each round a server with six child processes gets
SIGKILL at a random moment. Half of the children sit in a long regular expression, one call in C
that lets no other thread of theirs run; the others run short tasks, each of which writes a line,
and some of which end their process, so that others are being started. A second after the kill
no child may be alive, and no line may be written any more.

The same with the server as PID 1 of a PID namespace, and beside a PID 1 that outlives it and
gets its orphans, as in a container (``--place``).

Needs Linux; the namespaces need ``unshare`` and the right to use it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from fastapi_taskflow import TaskManager

__all__ = ["PLACES", "UNSHARE", "Outcome", "measure"]

ROOT = Path(__file__).resolve().parent.parent
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
# Commands that a server is run under. The last one is PID 1 itself, and stays.
PLACES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "pid1": UNSHARE,
    "container": (*UNSHARE, "sh", "-c", '"$@"; sleep 600', "sh"),
}
LIMIT_SECONDS = 1.0
_MARK = "TRUST_ORPHANS"
_SLOTS = 6
_AT_A_TIME = 8
_LOOK_SECONDS = 0.002
_START_SECONDS = 600.0
# What is there after so long is not about to end.
_WATCH_SECONDS = 30.0


# What children run


def matches(lines: str) -> None:
    """One call in C without end."""
    _write(lines, "matches")
    re.match(r"(a|aa)+$", "a" * 200 + "b")


def works(lines: str, number: int) -> None:
    """A moment of work with an effect; now and then its process ends."""
    until = time.monotonic() + 0.01
    while time.monotonic() < until:
        pass
    _write(lines, "worked")
    if number % 20 == 0:
        os._exit(3)


def _write(lines: str, what: str) -> None:
    with Path(lines).open("a") as file:
        file.write(f"{what} {time.monotonic()}\n")


# The server


def _app(lines: str) -> FastAPI:
    manager = TaskManager(max_process_workers=_SLOTS, process_shutdown_timeout=0.1)
    for func in (matches, works):
        manager.task(executor="process")(func)

    async def load(first: int) -> None:
        for number in range(first, sys.maxsize, _AT_A_TIME):
            task_id = (await manager.enqueue(works, lines, number)).task_id
            while (found := await manager.get(task_id)) and found.end_time is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        for _ in range(_SLOTS // 2):
            await manager.enqueue(matches, lines)
        async with asyncio.TaskGroup() as group:
            loads = [group.create_task(load(first)) for first in range(_AT_A_TIME)]
            yield
            for one in loads:
                one.cancel()

    app = FastAPI(lifespan=lifespan)
    manager.init_app(app)
    return app


# The rounds


@dataclass
class Outcome:
    """What the rounds have shown; ``faults`` should be empty.

    Attributes:
        seconds: For each round, from the kill to the end of the last child.
        children: How many there were at the kill, by round.
        effects: Lines that children wrote, in all.
        latest: Seconds after a kill at which the latest line was written; below zero: before.
    """

    seconds: list[float] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    effects: int = 0
    latest: float = float("-inf")
    faults: list[str] = field(default_factory=list)


def measure(rounds: int, prefix: Sequence[str], *, seed: int = 1, limit: float) -> Outcome:
    """Kill so many servers, one after another.

    Args:
        prefix: The command that a server is run under; see `PLACES`.
        limit: Seconds after which nothing of a server may be there.
    """
    lots, outcome = random.Random(seed), Outcome()
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory(prefix="taskflow-orphans-") as place:
            faults = _round(Path(place), prefix, lots, outcome, limit)
        outcome.faults += [f"round {number}: {fault}" for fault in faults]
    return outcome


def _round(
    place: Path, prefix: Sequence[str], lots: random.Random, outcome: Outcome, limit: float
) -> list[str]:
    mark, lines, log = str(uuid.uuid4()), place / "lines", place / "server.log"
    lines.touch()
    command = [*prefix, "env", f"{_MARK}={mark}", sys.executable, "-m", "trust.orphans"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--serve", str(lines)], cwd=ROOT, stdout=output, stderr=output
        )
    try:
        _wait_for_work(process, lines, log)
        time.sleep(lots.uniform(0, 1))
        found = _marked(mark)
        # A child that is about to start has the same title, and a later number.
        server = min(pid for pid, title in found.items() if "-m trust.orphans --serve" in title)
        killed = time.monotonic()
        os.kill(server, signal.SIGKILL)
        took = _gone(mark, killed)
        alive = _marked(mark)
    finally:
        for pid in _marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()
    written = [line.split() for line in lines.read_text().splitlines()]
    late = max(float(at) for _, at in written) - killed
    outcome.seconds.append(took)
    outcome.children.append(len(found) - 1)
    outcome.effects += len(written)
    outcome.latest = max(outcome.latest, late)
    faults = [f"{len(alive)} children are alive after {took:.1f} s"] if alive else []
    if took > limit and not alive:
        faults.append(f"the last child was gone after {took:.3f} s")
    if late > limit:
        faults.append(f"something was done {late:.3f} s after the kill")
    if len(found) <= _SLOTS // 2:
        faults.append(f"only {len(found) - 1} children were there to be left behind")
    return faults


def _wait_for_work(process: subprocess.Popen[bytes], lines: Path, log: Path) -> None:
    """Until half of the children are in their endless call, and others have worked."""
    deadline = time.monotonic() + _START_SECONDS
    while (text := lines.read_text()).count("matches") < _SLOTS // 2 or "worked" not in text:
        assert process.poll() is None, f"the server ended\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the children do not work\n{log.read_text()}"
        time.sleep(_LOOK_SECONDS)


def _gone(mark: str, since: float) -> float:
    """Wait for the end of all that has the mark; seconds from ``since`` until then."""
    while _marked(mark) and time.monotonic() - since < _WATCH_SECONDS:
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - since


def _marked(mark: str) -> dict[int, str]:
    """Processes that run with the mark in their environment, which children inherit: command
    lines by number, as this process sees it."""
    found = {}
    wanted = f"{_MARK}={mark}".encode()
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            # Of one that only waits to be asked for its exit code it is empty.
            if wanted in (directory / "environ").read_bytes().split(b"\0"):
                title = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(directory.name)] = title.decode(errors="replace")
        except OSError:  # gone, or somebody else's
            continue
    return found


def _report(name: str, outcome: Outcome) -> str:
    ordered = sorted(outcome.seconds)
    return (
        f"{name}: {len(ordered)} kills of servers with {min(outcome.children)} to "
        f"{max(outcome.children)} children and {outcome.effects} effects; last child gone after "
        f"p50 {ordered[len(ordered) // 2]:.3f} s, max {ordered[-1]:.3f} s; latest effect "
        f"{outcome.latest:+.3f} s from its kill; {len(outcome.faults)} faults"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", choices=[*PLACES, "all"], default="all")
    parser.add_argument("--serve", metavar="LINES", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvicorn.run(_app(options.serve), port=0, log_level="warning")
        return
    bad = False
    for name in PLACES if options.place == "all" else (options.place,):
        outcome = measure(options.rounds, PLACES[name], seed=options.seed, limit=LIMIT_SECONDS)
        print(_report(name, outcome), *outcome.faults, sep="\n", flush=True)
        bad = bad or bool(outcome.faults)
    sys.exit(bad)


if __name__ == "__main__":
    main()
