"""What ended when: sums by minute, hour and day, and of all time.

New ends are summed up by minute in a small table of their own, so that a commit writes
one page more and not four. `fold` moves the rows of past minutes into the sums of every
grain. What is read adds both up: each end is in one of them, never in two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from fastapi_taskflow.backends.base import Grain, Rollup, RollupQuery
from fastapi_taskflow.backends.rules.retention import oldest_kept, span_of
from fastapi_taskflow.backends.sqlite.schema import STATES
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.statements import Rows
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["fold", "rollups"]

_READ = """
SELECT {start}, {func}, state, bin, sum(n), sum(seconds), sum(waited) FROM (
    SELECT start, func, state, bin, n, seconds, waited FROM @rollups
    WHERE span = ?1 AND start >= ?2 AND start < ?3
    UNION ALL
    SELECT coalesce(start - start % ?1, 0) AS start, func, state, bin, n, seconds, waited FROM @ends
) WHERE start >= ?2 AND start < ?3 AND (?4 IS NULL OR func = ?4)
GROUP BY 1, 2, 3, 4
"""
# By whether spans and functions are apart.
_READS = {
    (by_start, by_function): _READ.format(
        start="start" if by_start else "NULL", func="func" if by_function else "NULL"
    )
    for by_start in (False, True)
    for by_function in (False, True)
}
_PAST = (
    "SELECT start, func, state, bin, n, seconds, waited FROM @ends WHERE start < ?"
    " ORDER BY start, func, state, bin LIMIT ?"
)
_FORGET = "DELETE FROM @ends WHERE (start, func, state, bin) <= (?, ?, ?, ?)"
_ADD = Rows(
    "INSERT INTO @rollups (span, start, func, state, bin, n, seconds, waited)"
    " SELECT * FROM (VALUES {rows}) AS v WHERE v.column1 IS NOT NULL"
    " ON CONFLICT (span, start, func, state, bin)"
    " DO UPDATE SET n = n + excluded.n, seconds = seconds + excluded.seconds,"
    " waited = waited + excluded.waited",
    8,
)
_DROP = (
    "DELETE FROM @rollups WHERE (span, start, func, state, bin) IN ("
    "SELECT span, start, func, state, bin FROM @rollups WHERE span = ? AND start < ? LIMIT ?)"
)
_STATES = dict(enumerate(STATES))
_MICROS_PER_SECOND = 1_000_000
_NEVER = 2**62


class _Group(NamedTuple):
    durations: dict[int, int]
    seconds: list[float]
    waits: dict[int, int]


def rollups(session: Session, query: RollupQuery) -> list[Rollup]:
    """See `Backend.rollups`."""
    since = -_NEVER if query.since is None else _second(query.since)
    until = _NEVER if query.until is None else _second(query.until)
    parameters = (query.grain.seconds, since, until, query.func_name)
    groups: dict[tuple[int | None, str | None, int], _Group] = {}
    for start, func, state, number, n, seconds, waited in session.all(
        _READS[query.by_start, query.by_function], parameters
    ):
        if state not in _STATES or not _counts(number, n, seconds, waited):
            continue  # damaged
        group = groups.setdefault((start, func, state), _Group({}, [], {}))
        if n:
            group.durations[number] = n
            group.seconds.append(seconds)
        if waited:
            group.waits[number] = waited
    return [
        Rollup(
            _moment(start),
            func,
            _STATES[state],
            sum(one.durations.values()),
            sum(one.seconds),
            one.durations,
            one.waits,
        )
        for (start, func, state), one in groups.items()
    ]


def fold(tx: Transaction, limit: int) -> int:
    """Move what is past into the sums of every grain, and drop sums that are too old.

    About ``limit`` rows; how many there were.
    """
    now = tx.now // _MICROS_PER_SECOND
    past = tx.all(_PAST, (span_of(Grain.MINUTE, now), limit))
    if past:
        tx.write(_ADD, _sums(past))
        tx.run(_FORGET, past[-1][:4])
    left = limit - len(past)
    for grain in Grain:
        oldest = oldest_kept(grain, now)
        if oldest is not None and left > 0:
            left -= tx.run(_DROP, (grain.seconds, oldest, left)).rowcount
    return limit - left


def _sums(past: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Rows for every grain from those of minutes."""
    sums: dict[tuple[Any, ...], tuple[int, float, int]] = {}
    for minute, func, state, number, n, seconds, waited in past:
        if not _counts(minute, number, n, seconds, waited):
            continue  # damaged
        for grain in Grain:
            key = (grain.seconds, span_of(grain, minute), func, state, number)
            ended, total, waits = sums.get(key, (0, 0.0, 0))
            sums[key] = ended + n, total + seconds, waits + waited
    return [(*key, *value) for key, value in sums.items()]


def _counts(*numbers: Any) -> bool:
    return all(isinstance(number, int | float) for number in numbers)


def _second(moment: datetime) -> int:
    """The first whole second that is not before."""
    return -(-to_micros(moment) // _MICROS_PER_SECOND)


def _moment(second: int | None) -> datetime | None:
    return None if second is None else from_micros(second * _MICROS_PER_SECOND)
