"""A stored action on many tasks as the engine and people's acts use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from fastapi_taskflow.backends.base import NewTask, Query, ScheduleChange, StoredSchedule
from fastapi_taskflow.engine.core.schedules import newer
from fastapi_taskflow.rules.bulk import Bulk, BulkState, bulk_id_of
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["KEPT", "BulkAction", "filters_of", "query_of"]

KEPT = timedelta(days=30)
"""How long one can be looked at that is over."""


class BulkAction(NamedTuple):
    """One, read."""

    bulk_id: str
    stored: StoredSchedule
    bulk: Bulk
    state: BulkState

    @classmethod
    def read(cls, stored: StoredSchedule) -> Self:
        """What the store has.

        Raises:
            ValueError, KeyError, TypeError: it is damaged, or of a newer version.
        """
        bulk_id = bulk_id_of(stored.name) or ""
        return cls(bulk_id, stored, Bulk.read(stored.definition), BulkState.read(stored.state))

    def put(
        self, state: BulkState, now: datetime, next_at: datetime, *tasks: NewTask
    ) -> tuple[Self, ScheduleChange]:
        """It in another state, and the change that leads there.

        Args:
            next_at: When somebody has to look at it, if nobody does before.
        """
        version = newer(self.stored.version, now)
        stored = self.stored._replace(version=version, state=state.text(), next_at=next_at)
        change = ScheduleChange(stored.name, self.stored.version, stored, tasks)
        return self._replace(stored=stored, state=state), change

    def end(self, state: BulkState, now: datetime) -> tuple[Self, ScheduleChange]:
        """The same for the state that it ends in: it is deleted later."""
        return self.put(state, now, now + KEPT)


def filters_of(query: Query) -> dict[str, Any]:
    """A query's filters as plain values, those that are given."""
    found: dict[str, Any] = {}
    for name, value in asdict(query).items():
        if name == "statuses":
            found[name] = sorted(status.value for status in value)
        elif value is not None:
            found[name] = value.isoformat() if isinstance(value, datetime) else value
    return found


def query_of(filters: Mapping[str, Any]) -> Query:
    """The query with these filters.

    Raises:
        ValueError, TypeError: they are of a newer version.
    """
    values = dict(filters)
    values["statuses"] = frozenset(TaskStatus(one) for one in values.get("statuses", ()))
    if values.get("tag") is not None:
        values["tag"] = tuple(values["tag"])
    for name in ("since", "until"):
        if values.get(name) is not None:
            values[name] = datetime.fromisoformat(values[name])
    return Query(**values)
