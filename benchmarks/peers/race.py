"""No-ops end to end on servers, ours against other libraries on the same server.

One process enqueues, another one works, with as many slots in all of them. A run lasts from the
first call that enqueues until the last end is stored; see `drive`. Each run of a peer has one of
ours right before it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Bar, Figure, compare
from benchmarks.peers.drive import SLOTS
from benchmarks.peers.environments import python_of, version_of
from benchmarks.servers import POSTGRES, REDIS, Place

__all__ = ["Effort", "measure"]

_GROUPS = (
    (
        f"No-ops end to end, {SLOTS} slots, against others",
        "tasks/s",
        Bar(limit=3, at_least=True),
    ),
    ("Of these, how fast they are accepted", "tasks/s", None),
    ("Of these, CPU time of both processes", "us", None),
)

_AGAINST = {
    "saq": REDIS,
    "arq": REDIS,
    "taskiq": REDIS,
    "dramatiq": REDIS,
    "procrastinate": POSTGRES,
}
_OURS = "taskflow"
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    rounds: int
    tasks: int


class Run(NamedTuple):
    """Tasks per second: ended, and accepted; and microseconds of CPU time for each."""

    ended: float
    accepted: float
    cpu: float


def measure(effort: Effort) -> list[Figure]:
    pairs = {
        f"{peer} {version_of(peer)}, {server.name}": [
            _pair(peer, server, effort.tasks) for _ in range(effort.rounds)
        ]
        for peer, server in _AGAINST.items()
    }
    return [
        compare(group, name, unit, [(ours[at], peers[at]) for ours, peers in rounds], bar)
        for at, (group, unit, bar) in enumerate(_GROUPS)
        for name, rounds in pairs.items()
    ]


def _pair(peer: str, server: Place, tasks: int) -> tuple[Run, Run]:
    with server.emptied() as url:
        ours = _run(sys.executable, _OURS, url, tasks)
    with server.emptied() as url:
        return ours, _run(python_of(peer), peer, url, tasks)


def _run(python: str, peer: str, url: str, tasks: int) -> Run:
    command = [python, "-m", f"benchmarks.peers.{peer}"]
    with ExitStack() as stack:
        worker = stack.enter_context(_program([*command, "work", url, str(tasks)]))
        producer = stack.enter_context(_program([*command, "produce", url, str(tasks)]))
        assert producer.stdin is not None
        producer.stdin.write("go\n")
        producer.stdin.flush()
        begun, accepted, spent = map(float, _line(producer).split())
        ended, more = map(float, _line(worker).split())
    spent += more
    return Run(tasks / (ended - begun), tasks / (accepted - begun), spent / tasks * 1e6)


@contextmanager
def _program(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A program that is ready; it ends with the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=_ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert _line(process) == "ready"
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
