"""Start and success of tasks whose lease was given out here, without a look at them.

See `leases`. If one task of a batch is not as expected the whole batch is taken back and
done again the careful way; that costs little, because it is rare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from fastapi_taskflow.backends.base import Lease, Outcome
from fastapi_taskflow.backends.rules.telling import given, told
from fastapi_taskflow.backends.sqlite.duetimes import due_since
from fastapi_taskflow.backends.sqlite.leases import Held
from fastapi_taskflow.backends.sqlite.logs import Lines
from fastapi_taskflow.backends.sqlite.rows import COLUMNS, value_of
from fastapi_taskflow.backends.sqlite.schema import CODES
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import MustLook, Transaction
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.states import Move

__all__ = ["start_held", "succeed_held"]

_START = Rows(
    "UPDATE @tasks SET state = 1, start_at = ?1, elapsed = NULL, instance = owner,"
    " retries_used = failures"
    " WHERE fence = ?2 AND state = 0 AND owner IS NOT NULL AND seq IN ({rows})",
    1,
)
_SUCCEED = Rows(
    "UPDATE @tasks SET owner = NULL, claim_id = NULL, state = 2, end_at = ?1,"
    " elapsed = coalesce(v.column3, elapsed), error = NULL, stacktrace = NULL, failure = NULL"
    " FROM (VALUES {rows}) AS v WHERE @tasks.seq = v.column1 AND fence = v.column2"
    " AND state = 1 AND owner IS NOT NULL"
    " RETURNING seq, due_at, start_at",
    3,
)

_PENDING = CODES[TaskStatus.PENDING]
_RUNNING = CODES[TaskStatus.RUNNING]
_SUCCESS = CODES[TaskStatus.SUCCESS]


def start_held(tx: Transaction, leases: Sequence[Lease]) -> bool:
    """Make the tasks RUNNING; False if that needs a look, and then nothing is done.

    Raises:
        MustLook: one of them is not PENDING under its lease.
    """
    known: list[Held] = []
    by_fence: dict[int, list[tuple[int]]] = {}
    for lease in leases:
        held = tx.known(lease)
        if held is None:
            return False
        known.append(held)
        by_fence.setdefault(lease.fence, []).append((held.seq,))
    changed = sum([tx.write(_START, rows, tx.now, fence) for fence, rows in by_fence.items()])
    if changed < len(leases):
        raise MustLook
    kinds = Counter((held.queue, held.func, held.fresh) for held in known)
    for (queue, func, fresh), times in kinds.items():
        waits = -1 if fresh else 0
        tx.counters.move((queue, func), _PENDING, _RUNNING, waits=waits, times=times)
    return True


def succeed_held(tx: Transaction, outcomes: Sequence[Outcome]) -> Collection[Lease]:
    """End those that simply succeeded, and tell which these are.

    Raises:
        MustLook: one of them is not RUNNING under its lease.
    """
    # Of several outcomes of one task the later ones must see what the earlier ones did.
    if len({outcome.lease.task_id for outcome in outcomes}) < len(outcomes):
        return ()
    plain: list[tuple[Outcome, Held]] = []
    for outcome in outcomes:
        held = tx.known(outcome.lease)
        simple = outcome.move is Move.SUCCEED and not (outcome.error or outcome.stacktrace)
        if held is not None and simple and not held.bound:
            plain.append((outcome, held))
    _succeed(tx, plain)
    logs = Lines()
    told_too: list[tuple[int, dict[str, Any]]] = []
    for outcome, held in plain:
        if outcome.logs:
            logs.add(held.seq, outcome.logs, anew=outcome.logs_anew)
        kind = held.queue, held.func
        tx.counters.move(kind, _RUNNING, _SUCCESS, seconds=outcome.elapsed)
        values = told(outcome)
        if outcome.result:
            values = {**values, **given(outcome.result, tx.present)}
        if values:
            told_too.append((held.seq, values))
    logs.write(tx)
    for seq, values in told_too:
        names = ", ".join(f"{COLUMNS[name]} = ?" for name in values)
        stored = (value_of(name, value, tx.now) for name, value in values.items())
        tx.run(f"UPDATE @tasks SET {names} WHERE seq = ?", (*stored, seq))  # noqa: S608
    ended = {outcome.lease for outcome, _ in plain}
    tx.leases.forget(ended)
    return ended


def _succeed(tx: Transaction, plain: Sequence[tuple[Outcome, Held]]) -> None:
    """Store that they ended, and count how long they had waited."""
    functions = {held.seq: held.func for _, held in plain}
    changed = 0
    values = [(held.seq, outcome.lease.fence, outcome.elapsed) for outcome, held in plain]
    for template, parameters in _SUCCEED.batches(values):
        for seq, due, start in tx.all(template, (tx.now, *parameters)):
            changed += 1
            # Others are damaged.
            if type(due) is type(start) is int:
                tx.counters.wait(functions[seq], _SUCCESS, due_since(due), start)
    if changed < len(plain):
        raise MustLook
