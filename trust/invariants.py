"""What must hold of requests, ends and attempts, whatever was killed when.

The rules are written down again here and in `trust.transitions`, from SEMANTICS and not
from the library's own table of moves: an error there must not hide itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from trust.accounts import CLOCK_SECONDS, EARLY_SECONDS, Accounts, Finding, Rule
from trust.history import (
    CANCELLED,
    FAILED,
    INTERRUPTED,
    PENDING,
    REJECTED,
    RUNNING,
    SUCCESS,
)

POISON_DEATHS = 4
_MICROS = 1_000_000

# What was accepted


def acked_is_stored(accounts: Accounts) -> Iterator[Finding]:
    """Every task that a client was told of has its row: nothing is lost."""
    for request in accounts.history.requests:
        for task in request.tasks:
            if task not in accounts.history.rows:
                yield task, f"acknowledged to request {request.rid}, and gone"


def committed_before_ack(accounts: Accounts) -> Iterator[Finding]:
    """The answer goes out after the insert, never before."""
    for request in accounts.history.requests:
        for task in request.tasks:
            changes = accounts.changes.get(task)
            if request.acked_at is None or not changes:
                continue
            if changes[0].at > request.acked_at + CLOCK_SECONDS:
                yield task, f"stored {changes[0].at - request.acked_at:.3f} s after its answer"


def requests_are_whole(accounts: Accounts) -> Iterator[Finding]:
    """All tasks of a request are stored, or none; all of them if it was answered."""
    stored = Counter(row.rid for row in accounts.history.rows.values())
    for request in accounts.history.requests:
        count = stored.pop(request.rid, 0)
        least = request.wanted if request.acked_at is not None else 0
        if count not in {least, request.wanted}:
            yield request.rid, f"{count} tasks stored of {request.wanted}"
    for rid, count in stored.items():
        yield str(rid), f"{count} tasks of a request that nobody sent"


# How tasks end


def everything_ended(accounts: Accounts) -> Iterator[Finding]:
    """After the run no task is PENDING or RUNNING, and none has an owner: nothing is stuck."""
    for row in accounts.history.rows.values():
        if row.state in (PENDING, RUNNING):
            yield row.task, f"{row.func} is stuck in state {row.state}, owner {row.owner}"
        elif row.owner is not None:
            yield row.task, f"ended and still owned by {row.owner}"


def ended_once(accounts: Accounts) -> Iterator[Finding]:
    """Exactly one change leads to a terminal state, and the row is in it."""
    for row in accounts.history.rows.values():
        ends = [
            change.state
            for change in accounts.changes.get(row.task, ())
            if change.state is not None
            and change.state >= SUCCESS
            and change.old_state != change.state
        ]
        if row.state >= SUCCESS and ends != [row.state]:
            yield row.task, f"ends {ends}, row in state {row.state}"


def success_has_its_effect(accounts: Accounts) -> Iterator[Finding]:
    """SUCCESS means that the work was done; once, unless the task may be repeated."""
    for row in accounts.history.rows.values():
        effects = len(accounts.said(row.task, "effect"))
        if row.state == SUCCESS and effects == 0:
            yield row.task, "SUCCESS without an effect"
        if effects > 1 and not row.kind.requeue:
            yield row.task, f"{effects} effects of a task that may not be repeated"


def interrupted_only_by_death(accounts: Accounts) -> Iterator[Finding]:
    """Nobody cancels here: a task ends by its own doing, or because its owner stopped."""
    for row in accounts.history.rows.values():
        if row.state in (CANCELLED, REJECTED):
            yield row.task, f"in state {row.state}, for which nobody asked"
        if row.state != INTERRUPTED:
            continue
        if row.kind.requeue and row.interruptions < POISON_DEATHS:
            yield row.task, f"requeueable, INTERRUPTED after {row.interruptions} deaths"
        last = accounts.changes[row.task][-1] if row.task in accounts.changes else None
        if last is not None and last.old_state != RUNNING:
            yield row.task, "INTERRUPTED without having run"


# Attempts


def one_start_per_attempt(accounts: Accounts) -> Iterator[Finding]:
    """At most one start per attempt number; for requeueable tasks at most one per claim."""
    for task, runs in accounts.runs.items():
        starts = [run for run in runs if run.what == "start"]
        by_fence = Counter(run.fence for run in starts)
        if any(count > 1 for count in by_fence.values()):
            yield task, f"started twice under one claim: {dict(by_fence)}"
        by_attempt = Counter(run.attempt for run in starts)
        if not accounts.requeues(task) and any(count > 1 for count in by_attempt.values()):
            yield task, f"starts by attempt: {dict(by_attempt)}"


def retry_counts_are_exact(accounts: Accounts) -> Iterator[Finding]:
    """Failures are counted, crashes are not: FAILED after retries + 1 failures exactly."""
    for row in accounts.history.rows.values():
        wanted = row.kind.failures_of(row.task)
        most = row.kind.retries + 1
        if row.state == SUCCESS and row.failures != wanted:
            yield row.task, f"SUCCESS after {row.failures} failures instead of {wanted}"
        if row.state == FAILED and (row.failures != most or wanted < most):
            yield row.task, f"FAILED after {row.failures} failures, of {most} allowed"
        if row.state in (SUCCESS, FAILED):
            seen = {run.attempt for run in accounts.said(row.task, "start")}
            right = set(range(min(wanted, row.kind.retries) + 1))
            if seen != right:
                yield row.task, f"attempts {sorted(seen)} instead of {sorted(right)}"


def never_early(accounts: Accounts) -> Iterator[Finding]:
    """No retry starts before its delay is over and its due time has come, whoever runs it."""
    for row in accounts.history.rows.values():
        # A zombie's failure counts for nothing, and may come much later.
        counted = {
            change.old_fence
            for change in accounts.changes.get(row.task, ())
            if (change.failures or 0) > (change.old_failures or 0)
        }
        fails = accounts.said(row.task, "fail")
        failed = {run.attempt: run.at for run in fails if run.fence in counted}
        for run in accounts.said(row.task, "start"):
            since = failed.get(run.attempt - 1)
            delay = row.kind.delay * row.kind.backoff ** (run.attempt - 1)
            if since is not None and run.at < since + delay - EARLY_SECONDS:
                yield row.task, f"tried again after {run.at - since:.3f} s instead of {delay:g} s"
        due: int | None = None
        for change in accounts.changes.get(row.task, ()):
            if change.state == PENDING and change.owner is None:
                due = change.due_at
            if (change.old_state, change.state) == (PENDING, RUNNING) and due is not None:
                early = due / _MICROS - change.at
                if early > EARLY_SECONDS:
                    yield row.task, f"started {early:.3f} s early"


RULES: tuple[Rule, ...] = (
    acked_is_stored,
    committed_before_ack,
    requests_are_whole,
    everything_ended,
    ended_once,
    success_has_its_effect,
    interrupted_only_by_death,
    one_start_per_attempt,
    retry_counts_are_exact,
    never_early,
)
