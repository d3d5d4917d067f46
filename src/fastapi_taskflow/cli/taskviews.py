"""Tasks as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from fastapi_taskflow.admin.api.schemas import AttemptInfo, TaskDetail
from fastapi_taskflow.cli.output import age, block, facts, plain, status, table, took
from fastapi_taskflow.engine.core.settings import DEFAULT_QUEUE
from fastapi_taskflow.operations import Count, Inspection
from fastapi_taskflow.words.loglines import LogEntry
from fastapi_taskflow.words.models import TaskRecord, TaskStatus
from fastapi_taskflow.words.waiting import Waiting

__all__ = ["log_view", "page_view", "task_view", "written_arguments"]

_LEVEL_STYLES = {
    "debug": "dim",
    "info": "",
    "warning": "yellow",
    "error": "red",
    "critical": "bold red",
}


def page_view(
    records: Sequence[TaskRecord], count: Count, cursor: str | None
) -> list[RenderableType]:
    """A table, and what it leaves out."""
    if not records:
        return ["No tasks."]
    queues = any(record.queue != DEFAULT_QUEUE for record in records)
    errors = any(record.error for record in records)
    titled = any(record.title for record in records)
    titles = ["ID", "STATUS", "TASK" if titled else "FUNCTION", "AGE", "TOOK"]
    titles += ["QUEUE"] * queues + ["ERROR"] * errors
    rows = []
    for record in records:
        row = [
            plain(record.task_id),
            status(record.status.value),
            plain(record.title or record.func_name),
            plain(age(record.created_at)),
            plain(took(record.duration)),
        ]
        row += [plain(record.queue)] * queues + [plain(record.error or "", "dim")] * errors
        rows.append(row)
    shown: list[RenderableType] = [table(titles, rows, right="AGE TOOK")]
    if cursor is not None:
        total = f"{count.number}{'+' if count.more else ''}"
        shown.append(plain(f"{len(records)} of {total} tasks; the next: --cursor {cursor}", "dim"))
    return shown


def task_view(found: Inspection, arguments: str | None) -> list[RenderableType]:
    """All that is known of a task; without ``arguments`` where they are None."""
    record = found.record
    shown: list[RenderableType] = [facts(_facts(found, arguments))]
    if found.attempts:
        rows = [_attempt(AttemptInfo.of(each)) for each in found.attempts]
        titles = ["NO", "OUTCOME", "ENDED", "TOOK", "ERROR"]
        shown += [_heading("Earlier attempts"), table(titles, rows, right="NO TOOK")]
    if record.logs:
        shown += [_heading("Log"), *(plain(line) for line in record.logs)]
    if record.stacktrace:
        shown += [_heading("Traceback"), block(record.stacktrace)]
    return shown


def log_view(entries: Sequence[LogEntry]) -> list[RenderableType]:
    """A line for each, the level after the time."""
    if not entries:
        return ["No lines."]
    return [_entry(entry) for entry in entries]


def _entry(entry: LogEntry) -> Text:
    if entry.timestamp is None or entry.level is None:
        return plain(entry.message, "dim")
    when = entry.timestamp.replace(tzinfo=None).isoformat()
    line = Text.assemble(f"{when} ", (f"{entry.level.upper():8}", _LEVEL_STYLES[entry.level]), " ")
    return line.append_text(plain(entry.message))


def written_arguments(task: TaskDetail) -> str:
    """The arguments that a task is shown with, as in a call."""
    named = [f"{name}={value}" for name, value in (task.kwargs or {}).items()]
    return ", ".join([*(task.args or []), *named]) or "none"


def _heading(text: str) -> Text:
    return Text(f"\n{text}", "bold")


def _attempt(each: AttemptInfo) -> list[Text]:
    return [
        plain(each.number + 1),
        plain(each.outcome + (" (late, ignored)" if each.late else "")),
        plain(each.ended_at),
        plain(took(each.duration)),
        plain(each.error or "", "dim"),
    ]


def _facts(task: Inspection, arguments: str | None) -> list[tuple[str, Text | str]]:
    record = task.record
    state = status(record.status.value)
    if task.cancel_asked and record.status is TaskStatus.RUNNING:
        state.append(", asked to stop")
    if task.stranded:
        state.append(", no live instance has its function", "yellow")
    told: list[tuple[str, Text | str | None]] = [
        ("Task", record.task_id),
        ("Alias of", record.duplicate_of),
        ("Title", record.title and plain(record.title)),
        ("Function", record.func_name),
        ("Status", state),
        ("Waits for", record.waiting_for and plain(_waits_for(record.waiting_for))),
        ("Key", record.order_key and plain(record.order_key)),
        ("Summary", record.summary and plain(record.summary)),
        ("Progress", record.progress and plain(str(record.progress))),
        ("Error", record.error and plain(record.error, "red")),
        ("Queue", record.queue),
        ("Priority", None if record.priority is None else str(record.priority)),
        ("Durable", "yes" if task.durable else "no"),
        ("Retries", str(record.retries_used) if record.retries_used else None),
        ("Created", _moment(record.created_at)),
        ("Due", _moment(record.due_at)),
        ("Started", _moment(record.start_time)),
        ("Ended", _moment(record.end_time)),
        ("Took", None if record.duration is None else took(record.duration)),
        ("Instance", record.instance),
        ("Source", None if record.source == "manual" else record.source),
        ("Retry of", record.retry_of),
        ("Retried as", record.retried_as),
        ("Tags", ", ".join(f"{key}:{value}" for key, value in record.tags.items())),
        ("Arguments", arguments),
    ]
    return [(name, value) for name, value in told if value]


def _waits_for(waiting: Waiting) -> str:
    """Limits in the app's code are nothing that the store tells."""
    return waiting.text + (", or a limit in the app's code" if waiting.reason == "slot" else "")


def _moment(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    passed = age(moment)
    relation = passed if passed.startswith("in ") else f"{passed} ago"
    return f"{moment.isoformat(timespec='milliseconds')} ({relation})"
