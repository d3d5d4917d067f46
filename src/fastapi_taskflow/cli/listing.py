"""Tasks read from outside, for people and for programs."""

from __future__ import annotations

from typing import Any, NamedTuple

from rich.text import Text

from fastapi_taskflow.admin.api.schemas import AttemptInfo, TaskInfo, shown_arguments
from fastapi_taskflow.backends.base import Page, Query, StoredTask
from fastapi_taskflow.backends.sealed.values import Opener
from fastapi_taskflow.backends.sqlite.looks import Look
from fastapi_taskflow.cli.output import age, block, facts, plain, show, status, table, took
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.operations import Inspection
from fastapi_taskflow.operations.shortids import is_short, only_one
from fastapi_taskflow.rules import codec
from fastapi_taskflow.rules.redaction import Redactor
from fastapi_taskflow.words.errors import PayloadUnreadable
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = ["Found", "Listed", "inspect", "read_arguments", "show_page", "show_task"]

# Has no key: what is encrypted is left out.
_OPENER = Opener(None)


class Listed(NamedTuple):
    """A page; with ``more`` there are more matches than ``total``."""

    page: Page
    total: int
    more: bool

    def as_json(self) -> dict[str, Any]:
        """The tasks have the form that HTTP gives them."""
        tasks = [TaskInfo.brief(_record(task)) for task in self.page.tasks]
        return {
            "tasks": [task.model_dump(mode="json") for task in tasks],
            "total": self.total,
            "total_is_capped": self.more,
            "next_cursor": self.page.cursor,
        }


class Found(NamedTuple):
    """One task, and its arguments as they are stored."""

    inspection: Inspection
    payload: bytes | None


def inspect(look: Look, task_id: str) -> Found | None:
    """One task with its history, by its id or a short one; None if there is none.

    Raises:
        TaskStateError: several tasks have that short id.
    """
    if is_short(task_id):
        page = look.search(Query(ending=task_id), limit=2)
        task_id = only_one(task_id, [each.record.task_id for each in page.tasks])
    (stored,) = look.get([task_id])
    if stored is None:
        return None
    record = _record(stored)
    waits = record.status is TaskStatus.PENDING and stored.persist and stored.owner is None
    known = any(
        "execute" in peer.info.roles and record.func_name in peer.info.functions
        for peer in look.signals().peers
    )
    inspection = Inspection(
        record,
        [_OPENER.attempt(each, task_id) for each in look.attempts(task_id)],
        stored.persist,
        stored.cancel_asked,
        stranded=waits and not known,
    )
    return Found(inspection, stored.payload)


def read_arguments(found: Found) -> bool:
    """Put the arguments into the record, as they may be shown.

    What is secret by the name of its key or of its keyword is masked; the names of
    parameters are the app's to know.

    Returns:
        False if they cannot be read without the app's classes or its key.
    """
    if found.payload is None:
        return False
    record = found.inspection.record
    try:
        args, kwargs = codec.decode(found.payload, codec.TypeTable())
    except PayloadUnreadable:
        return False
    record.args, record.kwargs = Redactor().shown(None, args, kwargs)
    return True


def show_page(listed: Listed) -> None:
    """A table, and what it leaves out."""
    records = [_record(task) for task in listed.page.tasks]
    if not records:
        show("No tasks.")
        return
    queues = any(record.queue != DEFAULT_QUEUE for record in records)
    errors = any(record.error for record in records)
    titles = ["ID", "STATUS", "FUNCTION", "AGE", "TOOK"]
    titles += ["QUEUE"] * queues + ["ERROR"] * errors
    rows = []
    for record in records:
        row = [
            plain(record.task_id),
            status(record.status.value),
            plain(record.func_name),
            plain(age(record.created_at)),
            plain(took(record.duration)),
        ]
        row += [plain(record.queue)] * queues + [plain(record.error or "", "dim")] * errors
        rows.append(row)
    show(table(titles, rows, right="AGE TOOK"))
    if listed.page.cursor is not None:
        total = f"{listed.total}{'+' if listed.more else ''}"
        rest = f"{len(records)} of {total} tasks; the next: --cursor {listed.page.cursor}"
        show(plain(rest, "dim"))


def show_task(found: Found, *, show_arguments: bool) -> None:
    """All that is known of a task."""
    record = found.inspection.record
    show(facts(_facts(found, show_arguments=show_arguments)))
    attempts = [AttemptInfo.of(each) for each in found.inspection.attempts]
    if attempts:
        rows = [
            [
                plain(each.number + 1),
                plain(each.outcome + (" (late, ignored)" if each.late else "")),
                plain(each.ended_at),
                plain(took(each.duration)),
                plain(each.error or "", "dim"),
            ]
            for each in attempts
        ]
        titles = ["NO", "OUTCOME", "ENDED", "TOOK", "ERROR"]
        show(_heading("Earlier attempts"), table(titles, rows, right="NO TOOK"))
    if record.logs:
        show(_heading("Log"), *(plain(line) for line in record.logs))
    if record.stacktrace:
        show(_heading("Traceback"), block(record.stacktrace))


def _heading(text: str) -> Text:
    return Text(f"\n{text}", "bold")


def _facts(found: Found, *, show_arguments: bool) -> list[tuple[str, Text | str]]:
    task = found.inspection
    record = task.record
    state = status(record.status.value)
    if task.cancel_asked and record.status is TaskStatus.RUNNING:
        state.append(", asked to stop")
    if task.stranded:
        state.append(", no live instance has its function", "yellow")
    told: list[tuple[str, Text | str | None]] = [
        ("Task", record.task_id),
        ("Alias of", record.duplicate_of),
        ("Function", record.func_name),
        ("Status", state),
        ("Error", record.error and plain(record.error, "red")),
        ("Queue", record.queue),
        ("Priority", None if record.priority is None else str(record.priority)),
        ("Durable", "yes" if task.durable else "no"),
        ("Retries", str(record.retries_used) if record.retries_used else None),
        ("Created", _moment(record, "created_at")),
        ("Due", _moment(record, "due_at")),
        ("Started", _moment(record, "start_time")),
        ("Ended", _moment(record, "end_time")),
        ("Took", None if record.duration is None else took(record.duration)),
        ("Instance", record.instance),
        ("Source", None if record.source == "manual" else record.source),
        ("Retry of", record.retry_of),
        ("Retried as", record.retried_as),
        ("Tags", ", ".join(f"{key}:{value}" for key, value in record.tags.items())),
        ("Arguments", _arguments(found) if show_arguments else None),
    ]
    return [(name, value) for name, value in told if value]


def _arguments(found: Found) -> str:
    if not read_arguments(found):
        return "not stored" if found.payload is None else "not readable without the app"
    args, kwargs = shown_arguments(found.inspection.record)
    return ", ".join([*args, *(f"{name}={value}" for name, value in kwargs.items())]) or "none"


def _moment(record: TaskRecord, name: str) -> str | None:
    moment = getattr(record, name)
    if moment is None:
        return None
    passed = age(moment)
    relation = passed if passed.startswith("in ") else f"{passed} ago"
    return f"{moment.isoformat(timespec='milliseconds')} ({relation})"


def _record(stored: StoredTask) -> TaskRecord:
    record = _OPENER.stored(stored).record
    if record.status is not TaskStatus.PENDING:
        record.due_at = None
    return record
