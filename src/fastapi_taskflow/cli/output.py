"""What commands write: tables for people, JSON for programs.

Nothing that a store holds may steer a terminal: texts go through `plain`, and never
through rich's markup.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from fastapi_taskflow.words.addresses import hide_passwords
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.texts import clean

__all__ = [
    "Answer",
    "age",
    "block",
    "facts",
    "give",
    "plain",
    "show",
    "status",
    "table",
    "took",
    "write_json",
]

# Where nobody looks no line is cut: `grep` and `awk` get all of it.
_UNCUT_COLUMNS = 100_000

_GAP = 2
# A column that is cut to less says nothing.
_LEAST_ROOM = 12

_COLOURS = {
    "PENDING": "yellow",
    "RUNNING": "cyan",
    "SUCCESS": "green",
    "FAILED": "red",
    "INTERRUPTED": "magenta",
    "CANCELLED": "bright_black",
    "REJECTED": "red",
}
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "m"))
_FINE_SECONDS = 60


def show(*renderables: RenderableType) -> None:
    """Write to standard output, one below the other.

    On a terminal in colour and within its width; elsewhere as plain text with nothing cut
    and no blanks at the ends of lines.
    """
    if sys.stdout.isatty():
        console = Console(highlight=False, markup=False, emoji=False)
        for each in renderables:
            console.print(each)
        return
    console = Console(
        file=StringIO(), width=_UNCUT_COLUMNS, highlight=False, markup=False, color_system=None
    )
    with console.capture() as captured:
        for each in renderables:
            console.print(each)
    # Not `splitlines`, which parts lines at more than this.
    lines = captured.get().removesuffix("\n").split("\n")
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command has found or done: ``document`` for programs, ``shown`` for people.

    ``failed``: something was refused, or is not well; the exit code is 1.
    """

    document: Any
    shown: Sequence[RenderableType]
    failed: bool = False


def give(answer: Answer, *, as_json: bool) -> None:
    """Write an answer to standard output.

    Raises:
        Exit: it has failed.
    """
    if as_json:
        write_json(answer.document)
    else:
        show(*answer.shown)
    if answer.failed:
        raise typer.Exit(1)


def write_json(value: Any) -> None:
    """One JSON document on standard output."""
    # ASCII: readable by every program under every locale.
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def plain(text: object, style: str = "") -> Text:
    """One line of text without control characters."""
    return Text(hide_passwords(clean(str(text))).replace("\n", " ").replace("\t", " "), style)


def block(text: str) -> Text:
    """Several lines, none of which begins where those of the page do."""
    return Text("\n".join(f"  {line}" for line in clean(text).rstrip().split("\n")))


def status(name: str) -> Text:
    """A task's state in its colour."""
    return Text(name, _COLOURS.get(name.upper(), ""))


def table(titles: Sequence[str], rows: Sequence[Sequence[Text]], *, right: str = "") -> Table:
    """Columns under titles; the last one gives way to the terminal's width.

    Args:
        right: Titles of columns of numbers, separated by blanks.
    """
    made = Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold", pad_edge=False)
    columns = zip(*([Text(title) for title in titles], *rows), strict=True)
    widths = [max(cell.cell_len for cell in cells) for cells in columns]
    room = _columns() - sum(width + _GAP for width in widths[:-1])
    # Ids are there to be copied, whole.
    shown = titles if room >= min(widths[-1], _LEAST_ROOM) else titles[:-1]
    for title in shown:
        made.add_column(title, justify="right" if title in right.split() else "left", no_wrap=True)
    for row in rows:
        row[-1].truncate(max(room, 1), overflow="ellipsis")
        made.add_row(*row[: len(shown)])
    return made


def _columns() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNCUT_COLUMNS


def facts(pairs: Sequence[tuple[str, Text | str]]) -> Table:
    """Names with their values, one to a line."""
    made = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, value if isinstance(value, Text) else plain(value))
    return made


def age(moment: datetime | None) -> str:
    """How long ago, as ``42s`` or ``3d``; ``in 5m`` for what is to come."""
    if moment is None:
        return "-"
    seconds = (SYSTEM_CLOCK.now() - moment).total_seconds()
    text = _span(abs(seconds))
    return text if seconds >= 0 else f"in {text}"


def took(seconds: float | None) -> str:
    """A span as ``12ms``, ``3.4s`` or ``5m``."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    return f"{seconds:.1f}s" if seconds < _FINE_SECONDS else _span(seconds)


def _span(seconds: float) -> str:
    for length, unit in _SPANS:
        if seconds >= length:
            return f"{seconds // length:.0f}{unit}"
    return f"{seconds:.0f}s"
