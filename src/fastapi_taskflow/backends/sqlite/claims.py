"""Claim, recover and give an account of claims: who holds which tasks.

A claim never looks at what it may not take. It walks the index of free tasks by queue,
function, rank and due time, and jumps from one function to the next and from one rank to
the next; a backlog of unknown functions, or of tasks that are not due, costs one step each.
"""

# ruff: noqa: S608  (texts are put together from constants; data are parameters)

from __future__ import annotations

import heapq
import math
from collections.abc import Generator
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import Claimed, ClaimRequest, Lease
from fastapi_taskflow.backends.rules.claiming import Room, is_suspect
from fastapi_taskflow.backends.rules.moves import may_recover
from fastapi_taskflow.backends.sqlite.duetimes import LONG_DUE, due_since
from fastapi_taskflow.backends.sqlite.leases import Held
from fastapi_taskflow.backends.sqlite.logs import logs_of
from fastapi_taskflow.backends.sqlite.rows import FENCE, FULL, SEQ, claimed
from fastapi_taskflow.backends.sqlite.schema import FREE
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction

__all__ = ["Recovery", "claim", "recover"]

_PAUSED = "SELECT name FROM @queues WHERE paused = 1"
_FUNCTIONS = (
    "WITH RECURSIVE one (func) AS ("
    f" SELECT min(func) FROM @tasks WHERE {FREE} AND queue = ?1 UNION ALL"
    f" SELECT (SELECT min(func) FROM @tasks WHERE {FREE} AND queue = ?1 AND func > one.func)"
    " FROM one WHERE one.func IS NOT NULL)"
    " SELECT func FROM one WHERE func IS NOT NULL"
)
_FIRST_RANK = f"SELECT min(rank) FROM @tasks WHERE {FREE} AND queue = ? AND func = ?"
_NEXT_RANK = f"{_FIRST_RANK} AND rank > ?"
# Those that were due when they were stored, and those that have become due since.
_DUE = tuple(
    f"SELECT due_at, seq, CAST(interruptions AS INTEGER) FROM @tasks INDEXED BY @tasks_free"
    f" WHERE {FREE} AND queue = ?1 AND func = ?2 AND rank = ?3 AND {condition}"
    " ORDER BY due_at, seq"
    for condition in (
        f"due_at < {LONG_DUE} AND ?4",
        f"due_at >= {LONG_DUE} AND due_at <= ?4",
    )
)
_REPEATED = "SELECT rank, due_at, seq FROM @tasks WHERE owner = ? AND claim_id = ? AND state = 0"
_TAKE = Rows(
    # A fence that no claims ever led to, text say, begins anew.
    "UPDATE @tasks SET owner = ?1, claim_id = ?2,"
    f" fence = iif(fence < {2**53}, fence, 0) + 1 WHERE seq IN ({{rows}})",
    1,
)
_READ = Rows(f"SELECT {FULL} FROM @tasks AS t WHERE t.seq IN ({{rows}})", 1)
# What is in no state that there is cannot be ended by anybody.
_ORPHANS = "SELECT seq FROM @tasks WHERE owner = ? AND state IN (0, 1) ORDER BY seq LIMIT ?"
_DECLARE = "UPDATE @instances SET dead = 1 WHERE id = ?"
_BURY = "DELETE FROM @instances WHERE id = ?"


class _Candidate(NamedTuple):
    """In the order of claims: by rank, due time and arrival."""

    rank: float
    due_at: int
    seq: int
    interruptions: int
    queue: str


def claim(tx: Transaction, request: ClaimRequest) -> list[Claimed]:
    """Take tasks for one instance, see `Backend.claim`."""
    if request.instance not in tx.alive:
        return []
    repeated = tx.all(_REPEATED, (request.instance, request.claim_id))
    if repeated:
        repeated.sort(key=lambda row: (_order(row[0]), due_since(row[1] or 0), row[2]))
        return _read(tx, [row[2] for row in repeated])
    chosen = _choose(tx, request)
    _hand_over(tx, chosen, request.instance, request.claim_id)
    claims = _read(tx, chosen)
    tx.given_out([_held(seq, claim) for seq, claim in zip(chosen, claims, strict=True)])
    return claims


class Recovery(NamedTuple):
    """What was handed over; ``complete`` if the dead instance's row is gone."""

    claims: list[Claimed]
    complete: bool


def recover(tx: Transaction, by: str, dead: str, limit: int) -> Recovery:
    """Hand tasks of a dead instance over, see `Backend.recover`."""
    if not may_recover(by, dead, alive=by in tx.alive):
        return Recovery([], complete=False)
    tx.run(_DECLARE, (dead,))
    tx.fleet_changed()
    orphans = [row[0] for row in tx.all(_ORPHANS, (dead, limit))]
    _hand_over(tx, orphans, by, None)
    complete = len(orphans) < limit
    if complete:
        tx.run(_BURY, (dead,))
    return Recovery(_read(tx, orphans), complete)


def _choose(tx: Transaction, request: ClaimRequest) -> list[int]:
    """The rows to take, in order."""
    room = Room(request, {row[0] for row in tx.all(_PAUSED)})
    if room.full():
        return []
    chosen: list[int] = []
    streams = [
        _candidates(tx, queue, func, room.slots)
        for queue in room.slots
        for (func,) in tx.all(_FUNCTIONS, (queue,))
        if func in request.functions
    ]
    for one in heapq.merge(*streams):
        suspect = is_suspect(one.interruptions)
        if room.fits(one.queue, suspect=suspect):
            room.take(one.queue, suspect=suspect)
            chosen.append(one.seq)
            if room.full():
                break
    for stream in streams:
        stream.close()
    return chosen


def _candidates(
    tx: Transaction, queue: str, func: str, slots: dict[str, int]
) -> Generator[_Candidate]:
    """Due tasks of one function in one queue, in order, as long as the queue has slots."""
    (rank,) = tx.one(_FIRST_RANK, (queue, func))
    while rank is not None and slots[queue] > 0:
        order = _order(rank)
        streams = [tx.stream(template, (queue, func, rank, tx.now)) for template in _DUE]
        ordered = heapq.merge(*[((due_since(due), *rest) for due, *rest in s) for s in streams])
        for due_at, seq, interruptions in ordered:
            yield _Candidate(order, due_at, seq, interruptions, queue)
            if slots[queue] <= 0:
                return
        (rank,) = tx.one(_NEXT_RANK, (queue, func, rank))


def _order(rank: Any) -> float:
    """Text, which only somebody else writes there, sorts behind all numbers."""
    return rank if isinstance(rank, int | float) else math.inf


def _hand_over(tx: Transaction, rows: list[int], owner: str, claim_id: str | None) -> None:
    tx.write(_TAKE, [(seq,) for seq in rows], owner, claim_id)


def _held(seq: int, claim: Claimed) -> tuple[Lease, Held]:
    record = claim.task.record
    keyed, fresh = record.idempotency_key is not None, record.start_time is None
    return claim.lease, Held(seq, record.queue, record.func_name, keyed=keyed, fresh=fresh)


def _read(tx: Transaction, rows: list[int]) -> list[Claimed]:
    """The tasks of these rows, in their order."""
    found = {row[SEQ]: row for row in tx.find(_READ, rows)}
    logs = logs_of(tx, [seq for seq, row in found.items() if row[FENCE] > 1])
    return [claimed(found[seq], logs.get(seq)) for seq in rows]
