"""``doctor``: what is wrong with a store and its instances, and what mends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from fastapi_taskflow.backends.base import Backend, Finding, Level
from fastapi_taskflow.cli.bars import bar
from fastapi_taskflow.cli.fleetcheck import audit_finding, examine_fleet, rows_finding
from fastapi_taskflow.cli.output import Answer, give, plain
from fastapi_taskflow.cli.stores import JsonOption, PrefixOption, StoreOption, backend_of, opened
from fastapi_taskflow.words.addresses import hide_passwords
from fastapi_taskflow.words.counting import plural
from fastapi_taskflow.words.errors import ConfigurationError, StoreUnavailable

__all__ = ["doctor"]

_MARKS = {
    Level.OK: ("ok", "green"),
    Level.NOTE: ("note", "cyan"),
    Level.WARNING: ("warning", "yellow"),
    Level.PROBLEM: ("PROBLEM", "bold red"),
}
# From the ground up; what a driver finds beside these comes after them.
_ORDER = (
    *("sqlite", "filesystem", "permissions", "disk", "lock", "store", "schema", "older"),
    *("log", "pages", "durability", "persistence", "eviction", "memory", "isolation"),
    *("transactions", "bloat", "history", "replication", "replicas", "slots"),
    *("integrity", "rows", "audit", "instances", "executors", "tasks", "queues", "encryption"),
    *("unreadable", "late", "clock"),
)


def doctor(
    store: StoreOption, *, json: JsonOption = False, table_prefix: PrefixOption = "taskflow_"
) -> None:
    """Examine a task store: its file, its content, its instances, its tasks.

    It reads, and changes nothing. Each finding says what mends it. Exit code 1 if there is
    a problem.
    """
    findings = asyncio.run(_findings(backend_of(store, table_prefix)))
    counts = {level: sum(each.level is level for each in findings) for level in Level}
    document = {
        "store": hide_passwords(store).partition("?")[0],
        "problems": counts[Level.PROBLEM],
        "warnings": counts[Level.WARNING],
        "findings": [each._asdict() for each in findings],
    }
    shown: list[RenderableType] = [
        _table(findings),
        "",
        _verdict(counts[Level.PROBLEM], counts[Level.WARNING]),
    ]
    give(Answer(document=document, shown=shown, failed=counts[Level.PROBLEM] > 0), as_json=json)


async def _findings(backend: Backend) -> list[Finding]:
    found = [finding async for finding in _examine(backend)]
    places = {check: place for place, check in enumerate(_ORDER)}
    return sorted(found, key=lambda finding: places.get(finding.check, len(places)))


async def _examine(backend: Backend) -> AsyncIterator[Finding]:
    try:
        # SQLite does not say how far it has come.
        with bar("Reading the whole file"):
            for finding in backend.examine():
                yield finding
            async with opened(backend) as inspector:
                yield Finding("store", Level.OK, f"{backend.place} answers")
                yield await rows_finding(inspector)
                yield await audit_finding(inspector)
                async for finding in examine_fleet(inspector):
                    yield finding
    except ConfigurationError as exc:
        mend = "One release of the library for all processes; the newest migrates when it starts."
        yield Finding("schema", Level.PROBLEM, str(exc), mend)
    except StoreUnavailable as exc:
        mend = "Check the path; if it is right, restore a backup, or let the app make a new store."
        if "://" in backend.place:
            mend = (
                "Check the address and the table prefix, and that the server runs; "
                "`fastapi-taskflow migrate` or the app's start makes tables that are missing."
            )
        yield Finding("store", Level.PROBLEM, str(exc), mend)


def _table(findings: Sequence[Finding]) -> Table:
    grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for finding in findings:
        grid.add_row(Text(*_MARKS[finding.level]), finding.check, plain(finding.detail))
        if finding.mend:
            grid.add_row("", "", plain(f"Mend: {finding.mend}", "dim"))
    return grid


def _verdict(problems: int, warnings: int) -> RenderableType:
    if not problems and not warnings:
        return plain("All is well.", "green")
    told = [plural(problems, "problem")] * bool(problems)
    told += [plural(warnings, "warning")] * bool(warnings)
    return Text(f"{', '.join(told)}.", "red" if problems else "yellow")
