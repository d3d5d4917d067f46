"""What must hold of every change of a row, and of what the dead leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from trust.accounts import CLOCK_SECONDS, Accounts, Finding, Rule, handed_over
from trust.history import FAILED, INTERRUPTED, PENDING, RUNNING, SUCCESS, Change
from trust.invariants import POISON_DEATHS
from trust.recovery import recoveries

# Changes of rows


def changes_are_legal(accounts: Accounts) -> Iterator[Finding]:
    """Only the transitions of the specification; what is terminal never changes again."""
    for task, changes in accounts.changes.items():
        for change in changes:
            reason = _illegal(change, requeue=accounts.requeues(task))
            if reason is not None:
                yield task, f"{reason}: {tuple(change)}"


def changes_are_complete(accounts: Accounts) -> Iterator[Finding]:
    """Each change begins where the last one ended, the last one ends in the row."""
    for task, changes in accounts.changes.items():
        for before, after in pairwise(changes):
            left = (before.state, before.fence, before.owner, before.failures)
            if left != (after.old_state, after.old_fence, after.old_owner, after.old_failures):
                yield task, f"a gap after change {before.seq}"
        row = accounts.history.rows.get(task)
        last = changes[-1]
        if row is None or (row.state, row.fence, row.failures) != (
            last.state,
            last.fence,
            last.failures,
        ):
            yield task, "the row is not what the last change left"
    for task in accounts.history.rows.keys() - accounts.changes.keys():
        yield task, "a row that nobody inserted"


def fences_grow(accounts: Accounts) -> Iterator[Finding]:
    """Every claim has a fence of its own, one above the last."""
    for task, changes in accounts.changes.items():
        for change in changes:
            if change.old_fence is None or change.fence is None:
                continue
            claimed = change.owner is not None and change.owner != change.old_owner
            if change.fence != change.old_fence + claimed:
                yield task, f"fence {change.old_fence} -> {change.fence}, claimed: {claimed}"


def outcomes_carry_the_fence(accounts: Accounts) -> Iterator[Finding]:
    """A result counts only from the attempt that holds the claim: no zombie writes."""
    for task, changes in accounts.changes.items():
        done = {run.fence for run in accounts.said(task, "done")}
        failed = {run.fence for run in accounts.said(task, "fail")}
        for change in changes:
            if change.old_state != RUNNING:
                continue
            if change.state == SUCCESS and change.old_fence not in done:
                yield task, f"SUCCESS at fence {change.old_fence}, done at {sorted(done)}"
            more = (change.failures or 0) > (change.old_failures or 0)
            if more and change.old_fence not in failed:
                yield task, f"failed at fence {change.old_fence}, evidence of {sorted(failed)}"


def unstarted_means_not_called(accounts: Accounts) -> Iterator[Finding]:
    """A start is only taken back if the function was not called (or may be called again)."""
    for task, changes in accounts.changes.items():
        if accounts.requeues(task):
            continue
        started = {run.fence for run in accounts.said(task, "start")}
        for change in changes:
            step = (change.old_state, change.state, _counted(change))
            if step == (RUNNING, PENDING, (0, 0)) and change.old_fence in started:
                yield task, f"its start at fence {change.old_fence} was taken back"


# Deaths


def interrupted_by_its_owners_end(accounts: Accounts) -> Iterator[Finding]:
    """INTERRUPTED: by whoever took over from the dead, or by an owner that was told to stop."""
    pids = {life.instance: life.pid for life in accounts.history.lives}
    told = {death.pid for death in accounts.history.deaths if death.how == "TERM"}
    for task, changes in accounts.changes.items():
        for before, change in pairwise(changes):
            if change.state != INTERRUPTED or change.old_state == INTERRUPTED:
                continue
            by_death = handed_over(before) and _counted(change) == (0, 1)
            owner = pids.get(change.old_owner or "")
            by_drain = not handed_over(before) and _counted(change) == (0, 0) and owner in told
            if not by_death and not by_drain:
                yield task, f"INTERRUPTED by nobody's end: {tuple(change)}"


def only_the_dead_are_robbed(accounts: Accounts) -> Iterator[Finding]:
    """Nobody takes a task from an instance that was left alone."""
    pids = {life.instance: life.pid for life in accounts.history.lives}
    harmed: dict[int, float] = {}
    for death in accounts.history.deaths:
        harmed[death.pid] = min(death.at, harmed.get(death.pid, death.at))
    for task, changes in accounts.changes.items():
        for change in changes:
            if not handed_over(change):
                continue
            since = harmed.get(pids.get(change.old_owner or "", -1))
            if since is None or since > change.at + CLOCK_SECONDS:
                yield task, f"taken from {change.old_owner}, which nobody had harmed"


def the_dead_leave_the_right_state(accounts: Accounts) -> Iterator[Finding]:
    """RUNNING at the crash: INTERRUPTED, or PENDING if the task may be repeated."""
    for task, changes in accounts.changes.items():
        requeue = accounts.requeues(task)
        for taken, after in pairwise(changes):
            if not handed_over(taken) or taken.state != RUNNING or handed_over(after):
                continue
            deaths = (taken.interruptions or 0) + 1
            right = PENDING if requeue and deaths < POISON_DEATHS else INTERRUPTED
            if (after.state, after.interruptions) != (right, deaths):
                yield task, f"state {after.state} after death {deaths}, not {right}"


def recovery_is_quick(accounts: Accounts) -> Iterator[Finding]:
    """What a killed instance held is settled in time, while another one lives."""
    for one in recoveries(accounts.history):
        if one.how == "KILL" and one.attended > accounts.history.recovery_seconds:
            spans = f"{one.seconds:.2f} s, others lived for {one.attended:.2f} s of them"
            yield one.task, f"settled after the kill of {one.pid}: {spans}"


def _illegal(change: Change, *, requeue: bool) -> str | None:
    """Why this change may not be, if so."""
    if change.state is None:
        return "deleted"
    if change.old_state is None:
        born = change.state == PENDING and not change.failures and not change.interruptions
        return None if born else "born in a state of its own"
    if change.old_state >= SUCCESS:
        return "changed after its end"
    if handed_over(change):
        same = change.state == change.old_state and _counted(change) == (0, 0)
        return None if same else "taken over and changed at once"
    step = (change.old_state, change.state)
    claimed = change.old_owner is None and change.owner is not None
    freed = change.old_owner is not None and change.owner is None
    kept = change.old_owner is not None and change.owner == change.old_owner
    allowed: dict[tuple[int, int], tuple[bool, set[tuple[int, int]]]] = {
        # From -> to: who holds it, and by how much failures and interruptions may grow.
        (PENDING, PENDING): (claimed or freed, {(0, 0)}),
        (PENDING, RUNNING): (kept, {(0, 0)}),
        (RUNNING, SUCCESS): (freed, {(0, 0)}),
        (RUNNING, FAILED): (freed, {(1, 0)}),
        (RUNNING, INTERRUPTED): (freed, {(0, 0), (0, 1)}),
        (RUNNING, PENDING): (freed, {(0, 0), (1, 0)} | ({(0, 1)} if requeue else set())),
    }
    held, counts = allowed.get(step, (False, set()))
    if not held:
        return f"{step[0]} -> {step[1]}"
    return None if _counted(change) in counts else f"{step[0]} -> {step[1]} counted wrongly"


def _counted(change: Change) -> tuple[int, int]:
    failures = (change.failures or 0) - (change.old_failures or 0)
    return failures, (change.interruptions or 0) - (change.old_interruptions or 0)


RULES: tuple[Rule, ...] = (
    changes_are_legal,
    changes_are_complete,
    fences_grow,
    outcomes_carry_the_fence,
    unstarted_means_not_called,
    interrupted_by_its_owners_end,
    only_the_dead_are_robbed,
    the_dead_leave_the_right_state,
    recovery_is_quick,
)
