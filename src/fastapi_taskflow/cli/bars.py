"""Bars for long work: on standard error, only on a terminal, and gone when it is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["Advance", "bar"]


class Advance(Protocol):
    """Says how far the work has come; ``done`` counts towards the bar's total."""

    def __call__(self, description: str, done: int | None = None) -> None: ...


@contextmanager
def bar(description: str, total: int | None = None) -> Iterator[Advance]:
    """Show a bar during the block.

    Args:
        total: What ``done`` comes to at the end; None where nobody knows.
    """
    if not sys.stderr.isatty():
        yield _untold
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total)

        def advance(description: str, done: int | None = None) -> None:
            progress.update(task, description=description, completed=done)

        yield advance


def _untold(description: str, done: int | None = None) -> None:
    pass
