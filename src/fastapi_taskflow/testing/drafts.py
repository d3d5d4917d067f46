"""What hypothesis draws for the state machine: small worlds, so that things meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from fastapi_taskflow.states import Move

__all__ = [
    "SHORTEST_TTL",
    "Draft",
    "Ending",
    "State",
    "drafts",
    "endings",
    "groups",
    "picks",
    "states",
]

SHORTEST_TTL = 10.0
QUEUES = ("q", "r")
FUNCTIONS = ("f", "g")

ttls = st.sampled_from([SHORTEST_TTL, 60.0])
# Positions in a list of things that exist by then, counted around.
picks = st.integers(0, 63)


@dataclass(frozen=True)
class Draft:
    """A task to insert. ``tier``: free, owned (born claimed) or light (``persist=False``)."""

    tier: str
    func_name: str
    queue: str
    priority: int | None
    delay: float
    due: int | None
    key: str | None
    fingerprint: bytes
    requeue: bool
    alias: bool
    owner: int
    # One in a few is an id that exists already.
    known: int | None


@dataclass(frozen=True)
class Ending:
    """An outcome for some lease."""

    lease: int
    move: Move
    delay: float
    elapsed: float | None
    error: str | None
    logs: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """A snapshot of some light task, or of a new one."""

    task: int | None
    stage: str
    failures: int
    logs: tuple[str, ...]


def _rarely(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.none(), st.none(), strategy)


drafts = st.builds(
    Draft,
    tier=st.sampled_from(["free", "free", "owned", "light"]),
    func_name=st.sampled_from(FUNCTIONS),
    queue=st.sampled_from(QUEUES),
    priority=st.sampled_from([None, -1, 0, 1]),
    delay=st.sampled_from([0.0, 0.0, 2.5]),
    due=st.sampled_from([None, None, -5, 5]),
    key=st.sampled_from([None, None, "k", "l"]),
    fingerprint=st.sampled_from([b"same", b"same", b"same", b"other"]),
    requeue=st.booleans(),
    alias=st.booleans(),
    owner=picks,
    known=_rarely(picks),
)
groups = st.lists(st.lists(drafts, min_size=1, max_size=3), min_size=1, max_size=3)
_logs = st.sampled_from([(), (), ("line",), ("one", "two")])
endings = st.builds(
    Ending,
    lease=picks,
    move=st.sampled_from([*Move, Move.RETRY, Move.RESCUE, Move.RESCUE]),
    delay=st.sampled_from([0.0, 0.0, 2.5]),
    elapsed=st.sampled_from([None, 0.5, 2.0]),
    error=st.sampled_from([None, "why"]),
    logs=_logs,
)
states = st.builds(
    State,
    task=st.one_of(st.none(), picks),
    stage=st.sampled_from(["waits", "waits again", "runs", "success", "failed", "cancelled"]),
    failures=st.integers(0, 2),
    logs=_logs,
)
