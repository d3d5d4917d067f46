"""Which slots are run now, and which are left out because they are late or would overlap."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from fastapi_taskflow.rules.schedules.timetable import Timetable

__all__ = ["MISFIRE", "OVERLAP", "Chosen", "Policy", "Previous", "Why", "choose", "leave_out"]

MISFIRE = ("latest", "all", "skip")
OVERLAP = ("allow", "skip", "queue")

_LONGEST_GRACE = timedelta(hours=1)
# A slot that is later was missed. Shorter delays are what a busy machine or a restart takes.
_PUNCTUAL = timedelta(seconds=10)
# Of an outage however long.
_MOST_CAUGHT_UP = 1_000
# In one transaction; the next round goes on.
_MOST_AT_ONCE = 100


class Why(Enum):
    """Why a slot was left out."""

    MISSED = "missed"
    OVERLAP = "overlap"


class Policy(NamedTuple):
    """What becomes of slots that come late, or while the last run goes on.

    Attributes:
        misfire: Of slots that were missed run the latest, all (up to 1,000), or none.
        grace: Seconds that the latest may be late; None: the time to the next slot, at most an
            hour. With ``all``: none that is later is run; None: however late.
        overlap: While the last run goes on, run the next one beside it (``allow``), not at all
            (``skip``), or after it (``queue``).
    """

    misfire: str = "latest"
    grace: float | None = None
    overlap: str = "allow"


class Previous(NamedTuple):
    """The last run: whether it is going on, and when it ended."""

    live: bool = False
    ended_at: datetime | None = None


_POLICY, _NO_RUN = Policy(), Previous()


class Chosen(NamedTuple):
    """What becomes of the slots that have come.

    Attributes:
        run: Slots to run now, the oldest first.
        left: The newest slot that is left out, and why; None: none is.
        anchor: All slots up to here are decided.
        next_at: When to look again; None: never.
    """

    run: tuple[datetime, ...]
    left: tuple[datetime, Why] | None
    anchor: datetime
    next_at: datetime | None


def choose(
    table: Timetable,
    anchor: datetime,
    now: datetime,
    policy: Policy = _POLICY,
    previous: Previous = _NO_RUN,
) -> Chosen | None:
    """Decide about the slots that have come since the anchor; None: its last run goes first."""
    misfire, _, overlap = policy
    slots = table.between(anchor, now, _MOST_CAUGHT_UP)
    if slots and table.due(slots[-1]) > now:
        slots.pop()
    if not slots:
        return Chosen((), None, anchor, _next(table, anchor))
    if previous.live and overlap == "queue":
        return None
    if previous.live and overlap == "skip":
        return Chosen((), (slots[-1], Why.OVERLAP), slots[-1], _next(table, slots[-1]))
    waited = previous.ended_at if overlap == "queue" else None
    wanted = _wanted(table, slots, now, policy, waited)
    if overlap == "queue" and misfire != "all":
        wanted = wanted[-1:]
    most = _MOST_AT_ONCE if overlap == "allow" else 1
    run = tuple(wanted[:most])
    decided = slots[-1]
    if len(wanted) > most and overlap != "skip":
        decided = run[-1]
    kept = set(run)
    left = [slot for slot in slots if slot <= decided and slot not in kept]
    why = Why.OVERLAP if len(wanted) > len(run) and overlap == "skip" else Why.MISSED
    return Chosen(run, (left[-1], why) if left else None, decided, _next(table, decided))


def leave_out(table: Timetable, anchor: datetime, now: datetime) -> Chosen:
    """Of the slots that have come since the anchor run none: nobody could."""
    slots = table.between(anchor, now, _MOST_CAUGHT_UP)
    last = slots[-1] if slots else anchor
    return Chosen((), (last, Why.MISSED) if slots else None, last, _next(table, last))


def _wanted(
    table: Timetable,
    slots: list[datetime],
    now: datetime,
    policy: Policy,
    waited: datetime | None,
) -> list[datetime]:
    """Slots that lateness does not rule out.

    Args:
        waited: Until then the last run went on, and slots that wait for it are not late.
    """

    def late(slot: datetime) -> timedelta:
        due = table.due(slot)
        return now - (due if waited is None else max(due, waited))

    misfire, grace, _ = policy
    if misfire == "all":
        return [s for s in slots if grace is None or late(s).total_seconds() <= grace]
    punctual = [slot for slot in slots if late(slot) <= _PUNCTUAL]
    if punctual or misfire == "skip":
        return punctual
    latest = slots[-1]
    longest = _grace(table, latest) if grace is None else timedelta(seconds=grace)
    return [latest] if late(latest) <= longest else []


def _grace(table: Timetable, slot: datetime) -> timedelta:
    following = table.after(slot)
    return _LONGEST_GRACE if following is None else min(following - slot, _LONGEST_GRACE)


def _next(table: Timetable, anchor: datetime) -> datetime | None:
    slot = table.after(anchor)
    return None if slot is None else table.due(slot)
