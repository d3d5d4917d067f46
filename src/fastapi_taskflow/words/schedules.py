"""What schedules and dates of single tasks look like to people."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["ScheduleInfo", "ScheduledOnce", "SlotInfo"]


@dataclass
class ScheduledOnce:
    """One task that is to be added at a date, and is replaced or cancelled by its ``run_key``.

    ``args`` and ``kwargs`` are empty where only ``encrypted_payload`` is stored, or where this
    process does not know the function. All times are aware UTC.
    """

    run_key: str
    func_name: str
    fire_at: datetime
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    encrypted_payload: bytes | None = None
    queue: str = "default"
    priority: int | None = None
    idempotency_key: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotInfo:
    """What became of a slot, or of a run that somebody asked for.

    Attributes:
        at: The slot's instant.
        kind: ``slot``, ``manual``, ``startup``; ``missed`` or ``overlap`` for one left out.
        task_id: None where it was left out.
        status: Its task's; ``dropped`` for another task of its key; None: there was none, or
            its record is deleted.
    """

    at: datetime
    kind: str
    task_id: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    """One schedule.

    Attributes:
        every: Seconds between two slots; None where ``cron`` says when.
        description: When it runs, in plain words.
        origin: ``code``: declared by a decorator; ``stored``: made while the app ran.
        retired: It is gone from the code, and does not run until it is there again.
        next_runs: The next ten; none where it is paused or retired.
        last_slots: The last ten, the newest first.
    """

    name: str
    func_name: str
    every: float | None
    cron: str | None
    timezone: str
    description: str
    start: datetime | None
    end: datetime | None
    jitter: float
    misfire: str
    grace: float | None
    overlap: str
    queue: str
    priority: int | None
    origin: str
    paused: bool
    retired: bool
    next_runs: tuple[datetime, ...]
    last_slots: tuple[SlotInfo, ...]
