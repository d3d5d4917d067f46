"""Records of this process fit to be shown, whatever the app has done to them.

`manager.store` gives the records themselves, and somebody may put into one what it cannot
hold. That spoils his record, and no list that has it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi_taskflow.words.loglines import is_line
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.said import Progress

__all__ = ["mend"]

_NOTHING = type(None)
_TEXT, _TEXT_OR_NOT = (str,), (str, _NOTHING)
_MOMENT_OR_NOT = (datetime, _NOTHING)
# What stands in for a value of another type where None does not.
_STAND_INS: dict[str, Any] = {
    "status": TaskStatus.INTERRUPTED,
    "retries_used": 0,
    "source": "unknown",
    "queue": "unknown",
}
_FIELDS: dict[str, tuple[type, ...]] = {
    "status": (TaskStatus,),
    "start_time": _MOMENT_OR_NOT,
    "end_time": _MOMENT_OR_NOT,
    "retries_used": (int,),
    "error": _TEXT_OR_NOT,
    "stacktrace": _TEXT_OR_NOT,
    "source": _TEXT,
    "priority": (int, _NOTHING),
    "executor": _TEXT_OR_NOT,
    "queue": _TEXT,
    "retry_of": _TEXT_OR_NOT,
    "retried_as": _TEXT_OR_NOT,
    "instance": _TEXT_OR_NOT,
    "due_at": _MOMENT_OR_NOT,
    "elapsed": (float, _NOTHING),
    "progress": (Progress, _NOTHING),
    "result_missing": _TEXT_OR_NOT,
    "title": _TEXT_OR_NOT,
    "summary": _TEXT_OR_NOT,
    "failure": _TEXT_OR_NOT,
}


def mend(record: TaskRecord, stored: TaskRecord) -> None:
    """Put right what is wrong in a copy of a record; its error says what was.

    Args:
        stored: The same task as the store has it; nobody has changed that.
    """
    record.task_id, record.func_name = stored.task_id, stored.func_name
    record.created_at = stored.created_at
    faults = [name for name, kinds in _FIELDS.items() if type(getattr(record, name)) not in kinds]
    tags = record.tags
    plain = type(tags) is dict and all(type(x) is str for pair in tags.items() for x in pair)
    if type(record.logs) is not list or not all(map(is_line, record.logs)):
        record.logs = []
    if not faults and plain:
        return
    told = [f"{name} is {quoted(getattr(record, name))}" for name in faults]
    for name in faults:
        setattr(record, name, _STAND_INS.get(name))
    if not plain:
        told.append(f"tags are {quoted(tags)}")
        record.tags = stored.tags
    record.error = f"Changed by the app into what no record can hold: {', '.join(told)}"
