"""The doctor's look at each task: whether it can be read."""

from __future__ import annotations

from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.backends.sqlite.looks import Look
from fastapi_taskflow.cli.findings import Finding, Level
from fastapi_taskflow.cli.output import plural
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["rows_finding"]

_PAGE = 1_000
_NAMED = 5


def rows_finding(look: Look) -> Finding:
    """Reads all tasks, which takes a second or so for each hundred thousand."""
    named: list[str] = []
    count = 0
    cursor: str | None = None
    try:
        while True:
            page = look.search(Query(), limit=_PAGE, cursor=cursor)
            damaged = [one for one in page.tasks if one.damage is not None]
            count += len(damaged)
            room = _NAMED - len(named)
            named += [f"{one.record.task_id}: {one.damage}" for one in damaged[:room]]
            if (cursor := page.cursor) is None:
                break
    except StoreUnavailable as exc:
        return Finding("rows", Level.PROBLEM, str(exc), "See what is said of the file.")
    if not count:
        return Finding("rows", Level.OK, "Every task can be read")
    more = f"; and {count - len(named)} more" if count > len(named) else ""
    return Finding(
        "rows",
        Level.PROBLEM,
        f"{plural(count, 'task')} damaged ({'; '.join(named)}{more})",
        "They are shown as they are and never run. Restore a backup, mend the values by hand, or "
        "delete the rows; the other tasks go on meanwhile.",
    )
