"""``doctor``: what is wrong with a store and its instances, and what mends it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import typer
from rich.table import Table
from rich.text import Text

from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.cli.bars import bar
from fastapi_taskflow.cli.findings import Finding, Level
from fastapi_taskflow.cli.fleetcheck import examine_fleet
from fastapi_taskflow.cli.output import plain, plural, show, write_json
from fastapi_taskflow.cli.rowcheck import rows_finding
from fastapi_taskflow.cli.storefile import (
    examine_content,
    examine_file,
    older_finding,
    schema_finding,
)
from fastapi_taskflow.cli.stores import JsonOption, PrefixOption, StoreOption, backend_of
from fastapi_taskflow.words.addresses import hide_passwords
from fastapi_taskflow.words.errors import ConfigurationError, StoreUnavailable

__all__ = ["doctor"]

_MARKS = {
    Level.OK: ("ok", "green"),
    Level.NOTE: ("note", "cyan"),
    Level.WARNING: ("warning", "yellow"),
    Level.PROBLEM: ("PROBLEM", "bold red"),
}


def doctor(
    store: StoreOption, *, json: JsonOption = False, table_prefix: PrefixOption = "taskflow_"
) -> None:
    """Examine a task store: its file, its content, its instances, its tasks.

    It reads, and changes nothing. Each finding says what mends it. Exit code 1 if there is
    a problem.
    """
    findings = list(_examine(backend_of(store, table_prefix)))
    counts = {level: sum(each.level is level for each in findings) for level in Level}
    if json:
        write_json(
            {
                "store": hide_passwords(store).partition("?")[0],
                "problems": counts[Level.PROBLEM],
                "warnings": counts[Level.WARNING],
                "findings": [each.as_json() for each in findings],
            }
        )
    else:
        _show(findings, counts)
    if counts[Level.PROBLEM]:
        raise typer.Exit(1)


def _examine(backend: SqliteBackend) -> Iterator[Finding]:
    look = backend.look()
    # Not of `Path`, which raises for a name that is too long.
    if not os.path.isfile(look.path):  # noqa: PTH113
        yield Finding(
            "store",
            Level.PROBLEM,
            f"There is no file {look.path}",
            "Check the path; an app makes its store when it starts.",
        )
        return
    yield from examine_file(look.path)
    try:
        with look:
            yield Finding("store", Level.OK, f"{look.path} answers")
            yield schema_finding(look)
            yield from older_finding(look)
            # SQLite does not say how far it has come.
            with bar("Reading the whole file"):
                content = [*examine_content(look), rows_finding(look)]
            yield from content
            yield from examine_fleet(look)
    except ConfigurationError as exc:
        mend = "One release of the library for all processes; the newest migrates when it starts."
        yield Finding("schema", Level.PROBLEM, str(exc), mend)
    except StoreUnavailable as exc:
        mend = "Check the path; if it is right, restore a backup, or let the app make a new store."
        yield Finding("store", Level.PROBLEM, str(exc), mend)


def _show(findings: list[Finding], counts: dict[Level, int]) -> None:
    grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for finding in findings:
        grid.add_row(Text(*_MARKS[finding.level]), finding.check, plain(finding.detail))
        if finding.mend:
            grid.add_row("", "", plain(f"Mend: {finding.mend}", "dim"))
    show(grid, "")
    problems, warnings = counts[Level.PROBLEM], counts[Level.WARNING]
    if not problems and not warnings:
        show(plain("All is well.", "green"))
    else:
        told = [plural(problems, "problem")] * bool(problems)
        told += [plural(warnings, "warning")] * bool(warnings)
        show(Text(f"{', '.join(told)}.", "red" if problems else "yellow"))
