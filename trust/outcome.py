"""What a run of `trust.chaos` or `trust.fleet` has shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from trust.client import Tally
from trust.figures import report
from trust.history import History
from trust.oracle import Violation

__all__ = ["Outcome", "show"]

_MOST_SHOWN = 50


@dataclass
class Outcome:
    """A run's history, and what is wrong with it."""

    history: History
    violations: list[Violation]
    tally: Tally
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.violations and not self.faults


def show(outcome: Outcome, place: Path) -> bool:
    """Print what a run has shown; True if all is well."""
    print(report(outcome.history, outcome.tally, outcome.seconds))
    for violation in outcome.violations[:_MOST_SHOWN]:
        print(f"VIOLATION {violation.rule}: {violation.subject}: {violation.text}")
    for fault in outcome.faults:
        print(f"FAULT {fault}")
    print("PASS" if outcome.clean else f"FAIL: {len(outcome.violations)} violations, see {place}")
    return outcome.clean
