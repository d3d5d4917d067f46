"""The figures of one run, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from trust.client import Tally
from trust.history import INTERRUPTED, PENDING, RUNNING, History
from trust.recovery import recoveries

__all__ = ["quantiles", "report"]

_STATES = ("pending", "running", "success", "failed", "interrupted", "cancelled", "rejected")


def report(history: History, tally: Tally, seconds: float) -> str:
    """A table: a name and a value on each line."""
    lines = [
        ("seconds in all", f"{seconds:.0f}"),
        ("signals", _counts(Counter(death.how for death in history.deaths))),
        ("answers", _counts(tally.answers)),
        ("answered after (s)", quantiles(tally.seconds)),
        ("tasks acknowledged", str(sum(len(one.tasks) for one in history.requests))),
        ("tasks stored", str(len(history.rows))),
        ("by state", _counts(Counter(_STATES[row.state] for row in history.rows.values()))),
        ("changes audited", str(len(history.changes))),
        ("lost", str(_lost(history))),
        ("stuck", str(sum(row.state in (PENDING, RUNNING) for row in history.rows.values()))),
        ("interrupted once each", str(_interrupted_once(history))),
        ("repeated starts, plain", str(_repeats(history, requeue=False))),
        ("repeated starts, requeueable", str(_repeats(history, requeue=True))),
        ("late outcomes, refused", str(sum(row.late for row in history.rows.values()))),
    ]
    found = recoveries(history)
    for how in sorted({one.how for one in found}):
        times = [one.seconds for one in found if one.how == how]
        lines.append((f"recovered after {how} (s)", f"{len(times)} tasks: {quantiles(times)}"))
        times = [one.attended for one in found if one.how == how]
        lines.append(("  while another lived (s)", quantiles(times)))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "none"


def quantiles(values: Sequence[float]) -> str:
    """Of seconds, for people."""
    if not values:
        return "none"
    ordered = sorted(values)

    def at(part: float) -> float:
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]

    return f"p50 {at(0.5):.3f}, p99 {at(0.99):.3f}, max {ordered[-1]:.3f}"


def _lost(history: History) -> int:
    return sum(task not in history.rows for one in history.requests for task in one.tasks)


def _interrupted_once(history: History) -> int:
    ends = Counter(
        change.task
        for change in history.changes
        if change.state == INTERRUPTED and change.old_state != INTERRUPTED
    )
    return sum(count == 1 for count in ends.values())


def _repeats(history: History, *, requeue: bool) -> int:
    """Attempts of these tasks that were started more than once."""
    starts = Counter((run.task, run.attempt) for run in history.runs if run.what == "start")
    repeated = {task for (task, _), count in starts.items() if count > 1}
    return sum(
        task in history.rows and history.rows[task].kind.requeue is requeue for task in repeated
    )
