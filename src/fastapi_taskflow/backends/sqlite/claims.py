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
from datetime import timedelta
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import Claimed, ClaimRequest, Lease
from fastapi_taskflow.backends.rules.allowing import Taken
from fastapi_taskflow.backends.rules.claiming import Room, aged, is_suspect
from fastapi_taskflow.backends.rules.moves import may_recover
from fastapi_taskflow.backends.rules.pausing import Pauses
from fastapi_taskflow.backends.sqlite.allowing import allowed, learn, spend
from fastapi_taskflow.backends.sqlite.duetimes import LONG_DUE, due_since
from fastapi_taskflow.backends.sqlite.leases import Held
from fastapi_taskflow.backends.sqlite.logs import logs_of
from fastapi_taskflow.backends.sqlite.rows import FENCE, FULL, SEQ, claimed
from fastapi_taskflow.backends.sqlite.schema import FREE
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.pacing import is_throttle

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
    "SELECT due_at, seq, CAST(interruptions AS INTEGER), order_key"
    " FROM @tasks INDEXED BY @tasks_free"
    f" WHERE {FREE} AND queue = ?1 AND func = ?2 AND rank = ?3 AND {condition} {{others}}"
    " ORDER BY due_at, seq"
    for condition in (
        f"due_at < {LONG_DUE} AND ?4",
        f"due_at >= {LONG_DUE} AND due_at <= ?4",
    )
)
_REPEATED = (
    "SELECT rank, due_at, seq, queue FROM @tasks WHERE owner = ? AND claim_id = ? AND state = 0"
)
_TAKE = Rows(
    # A fence that no claims ever led to, text say, begins anew.
    "UPDATE @tasks SET owner = ?1, claim_id = ?2,"
    f" fence = iif(fence < {2**53}, fence, 0) + 1 WHERE seq IN ({{rows}})",
    1,
)
_POSTPONE = "UPDATE @tasks SET due_at = ? WHERE seq = ?"
_MICROSECOND = timedelta(microseconds=1)
_READ = Rows(f"SELECT {FULL} FROM @tasks AS t WHERE t.seq IN ({{rows}})", 1)
# What is in no state that there is cannot be ended by anybody.
_ORPHANS = "SELECT seq FROM @tasks WHERE owner = ? AND state IN (0, 1) ORDER BY seq LIMIT ?"
_DECLARE = "UPDATE @instances SET dead = 1 WHERE id = ?"
_BURY = "DELETE FROM @instances WHERE id = ?"
_NO_KEYS = None, None, None


class _Candidate(NamedTuple):
    """In the order of claims: by rank, due time and arrival."""

    rank: float
    due_at: int
    seq: int
    interruptions: int
    order_key: str | None
    queue: str
    func: str


def claim(tx: Transaction, request: ClaimRequest) -> list[Claimed]:
    """Take tasks for one instance, see `Backend.claim`."""
    if request.instance not in tx.alive:
        return []
    repeated = tx.all(_REPEATED, (request.instance, request.claim_id))
    if repeated:
        turns = []
        for rank, due, seq, queue in repeated:
            due_at = due_since(due or 0)
            turns.append((_turn(tx, rank, due_at, request.ageing.get(queue)), due_at, seq))
        return _read(tx, [seq for _, _, seq in sorted(turns)])
    chosen = _choose(tx, request)
    _hand_over(tx, chosen, request.instance, request.claim_id)
    claims = _read(tx, chosen)
    tx.given_out(
        [
            _held(seq, claim)
            for seq, claim in zip(chosen, claims, strict=True)
            # Who starts a throttled one has to look at its key.
            if not is_throttle(claim.task.record.idempotency_key)
        ]
    )
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
    allowance = None if request.limits is None else allowed(tx, request.limits)
    pauses = Pauses.of(str(row[0]) for row in tx.all(_PAUSED))
    room = Room(request, pauses.queues, allowance)
    due = _due_unless(pauses)
    if room.full():
        return []
    chosen: list[_Candidate] = []
    postponed: list[tuple[int, int]] = []
    streams = [
        _candidates(tx, queue, func, room, due)
        for queue in room.slots
        for (func,) in tx.all(_FUNCTIONS, (queue,))
        if func in request.functions and func not in pauses.functions
    ]
    for one in heapq.merge(*streams):
        suspect = is_suspect(one.interruptions)
        if room.fits(one.queue, one.func, suspect=suspect):
            if one.order_key is not None and allowance is not None:
                learn(tx, allowance, one.func, one.order_key)
            if wait := room.must_wait(one.func, one.order_key):
                postponed.append((tx.now + wait // _MICROSECOND, one.seq))
                continue
            room.take(one.queue, one.func, suspect=suspect)
            chosen.append(one)
            if room.full():
                break
    for stream in streams:
        stream.close()
    for late in postponed:
        tx.run(_POSTPONE, late)
    if allowance is not None:
        spend(tx, allowance, [Taken(one.queue, one.func, one.order_key) for one in chosen])
    return [one.seq for one in chosen]


def _due_unless(pauses: Pauses) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The statements that find due tasks, and what they are given beside the first four."""
    others, given = "", list[Any]()
    if pauses.keys:
        marks = ", ".join("?" * len(pauses.keys))
        others += f" AND (order_key IS NULL OR order_key NOT IN ({marks}))"
        given += sorted(pauses.keys)
    if pauses.tags:
        pairs = " OR ".join(["(g.key = ? AND g.value = ?)"] * len(pauses.tags))
        others += f" AND NOT EXISTS (SELECT 1 FROM @tags AS g WHERE g.task = seq AND ({pairs}))"
        given += [text for pair in sorted(pauses.tags) for text in pair]
    return tuple(one.format(others=others) for one in _DUE), tuple(given)


def _candidates(
    tx: Transaction,
    queue: str,
    func: str,
    room: Room,
    due: tuple[tuple[str, ...], tuple[Any, ...]],
) -> Generator[_Candidate]:
    """Due tasks of one function in one queue, in order, as long as they have slots."""
    streams = (_of_rank(tx, queue, func, room, due, rank) for rank in _ranks(tx, queue, func))
    if queue in room.ageing:
        yield from heapq.merge(*streams)
        return
    for stream in streams:
        yield from stream
        if not room.has_slot(queue, func):
            return


def _ranks(tx: Transaction, queue: str, func: str) -> Generator[Any]:
    (rank,) = tx.one(_FIRST_RANK, (queue, func))
    while rank is not None:
        yield rank
        (rank,) = tx.one(_NEXT_RANK, (queue, func, rank))


def _of_rank(
    tx: Transaction,
    queue: str,
    func: str,
    room: Room,
    due: tuple[tuple[str, ...], tuple[Any, ...]],
    rank: Any,
) -> Generator[_Candidate]:
    step = room.ageing.get(queue)
    statements, given = due
    streams = [tx.stream(one, (queue, func, rank, tx.now, *given)) for one in statements]
    ordered = heapq.merge(*[((due_since(due), *rest) for due, *rest in s) for s in streams])
    for due_at, seq, interruptions, order_key in ordered:
        turn = _turn(tx, rank, due_at, step)
        yield _Candidate(turn, due_at, seq, interruptions, order_key, queue, func)
        if not room.has_slot(queue, func):
            return


def _turn(tx: Transaction, rank: Any, due_at: int, step: timedelta | None) -> float:
    """Text, which only somebody else writes there, sorts behind all numbers."""
    if not isinstance(rank, int | float):
        return math.inf
    return rank if step is None else aged(rank, timedelta(microseconds=tx.now - due_at), step)


def _hand_over(tx: Transaction, rows: list[int], owner: str, claim_id: str | None) -> None:
    tx.write(_TAKE, [(seq,) for seq in rows], owner, claim_id)


def _held(seq: int, claim: Claimed) -> tuple[Lease, Held]:
    record = claim.task.record
    keys = record.idempotency_key, record.order_key, record.batch_id
    bound, fresh = keys != _NO_KEYS, record.start_time is None
    return claim.lease, Held(seq, record.queue, record.func_name, bound=bound, fresh=fresh)


def _read(tx: Transaction, rows: list[int]) -> list[Claimed]:
    """The tasks of these rows, in their order."""
    found = {row[SEQ]: row for row in tx.find(_READ, rows)}
    logs = logs_of(tx, [seq for seq, row in found.items() if row[FENCE] > 1])
    return [claimed(found[seq], logs.get(seq)) for seq in rows]
