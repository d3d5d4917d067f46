"""What happened, as the oracle reads it: three independent accounts of one run.

* the evidence of tasks and clients (`trust.evidence`),
* the changes of every row, written down by the store itself (`trust.ledgers`), so that the
  library can neither forget nor embellish one,
* the rows at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from trust.evidence import read_lines
from trust.workload import KINDS, Kind

__all__ = ["Change", "Death", "History", "Ledger", "Life", "Request", "Row", "Run", "read"]

# States as the database numbers them.
PENDING, RUNNING, SUCCESS, FAILED, INTERRUPTED, CANCELLED, REJECTED = range(7)


class Change(NamedTuple):
    """One change of one row. ``old_state`` None: inserted; ``state`` None: deleted."""

    seq: int
    at: float
    task: str
    old_state: int | None
    state: int | None
    old_fence: int | None
    fence: int | None
    old_owner: str | None
    owner: str | None
    old_failures: int | None
    failures: int | None
    old_interruptions: int | None
    interruptions: int | None
    due_at: int | None


class Row(NamedTuple):
    """A task at the end. ``late`` counts the outcomes that came without a lease."""

    task: str
    func: str
    state: int
    fence: int
    owner: str | None
    failures: int
    interruptions: int
    rid: str | None
    late: int = 0

    @property
    def kind(self) -> Kind:
        return KINDS.get(self.func, Kind())


class Run(NamedTuple):
    """A task's word: ``start``, ``effect``, ``fail`` or ``done``."""

    what: str
    at: float
    pid: int
    task: str
    attempt: int
    fence: int


@dataclass
class Request:
    """One POST: how many tasks it wants, and which it was told are accepted."""

    rid: str
    wanted: int
    sent_at: float
    acked_at: float | None = None
    tasks: list[str] = field(default_factory=list)


class Life(NamedTuple):
    """An instance that enlisted."""

    instance: str
    pid: int
    at: float


class Death(NamedTuple):
    """A signal that the harness sent to a process."""

    pid: int
    at: float
    how: str


@dataclass
class History:
    """Everything that is known of one run."""

    changes: list[Change] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    # What a killed instance held is to be settled while another one lives so long.
    recovery_seconds: float = 2.0


class Ledger(Protocol):
    """What a store itself says of its tasks, whatever the library remembers."""

    async def prepare(self) -> None:
        """Make the store, and have every change written down from now on."""

    async def left(self) -> int:
        """How many tasks are PENDING or RUNNING."""

    async def held(self, task: str) -> tuple[int, str | None]:
        """The fence of a task, and its owner."""

    async def changes(self) -> list[Change]:
        """All changes of all rows, those of one row in the order of their commits."""

    async def lives(self) -> list[Life]:
        """All instances that enlisted."""

    async def rows(self) -> list[Row]:
        """All tasks as they are now."""

    async def close(self) -> None:
        """Let go of the store."""


async def read(ledger: Ledger, effects: Path, acks: Path, deaths: list[Death]) -> History:
    """The history of a run that is over."""
    return History(
        changes=await ledger.changes(),
        rows={row.task: row for row in await ledger.rows()},
        runs=[
            Run(line["what"], line["at"], line["pid"], line["task"], line["attempt"], line["fence"])
            for line in read_lines(effects)
            if line["what"] in ("start", "effect", "fail", "done")
        ],
        requests=_requests(acks),
        lives=await ledger.lives(),
        deaths=deaths,
    )


def _requests(acks: Path) -> list[Request]:
    found: dict[str, Request] = {}
    for line in read_lines(acks):
        if line["what"] == "intent":
            found[line["rid"]] = Request(line["rid"], line["wanted"], line["at"])
        elif line["what"] == "ack":
            found[line["rid"]].acked_at = line["at"]
            found[line["rid"]].tasks = line["tasks"]
    return list(found.values())
