"""A history, sorted by what the rules ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property

from trust.history import Change, History, Run

__all__ = ["CLOCK_SECONDS", "EARLY_SECONDS", "Accounts", "Finding", "Rule", "handed_over"]

# The triggers' clock counts milliseconds.
CLOCK_SECONDS = 0.002
# What starts so little before it is due is on time (R17).
EARLY_SECONDS = 0.05

# Who broke a rule (a task or request), and how.
Finding = tuple[str, str]
Rule = Callable[["Accounts"], Iterator[Finding]]


def handed_over(change: Change) -> bool:
    """Another instance took the task from its owner."""
    return (
        change.old_owner is not None
        and change.owner is not None
        and change.old_owner != change.owner
    )


class Accounts:
    """A history, sorted by what rules ask for."""

    def __init__(self, history: History) -> None:
        self.history = history

    @cached_property
    def changes(self) -> dict[str, list[Change]]:
        """By task, in the order of their commits."""
        found: dict[str, list[Change]] = defaultdict(list)
        for change in self.history.changes:
            found[change.task].append(change)
        return found

    @cached_property
    def runs(self) -> dict[str, list[Run]]:
        """By task."""
        found: dict[str, list[Run]] = defaultdict(list)
        for run in self.history.runs:
            found[run.task].append(run)
        return found

    def said(self, task: str, what: str) -> list[Run]:
        """The evidence of one kind that a task left."""
        return [run for run in self.runs.get(task, ()) if run.what == what]

    def requeues(self, task: str) -> bool:
        row = self.history.rows.get(task)
        return row is not None and row.kind.requeue
