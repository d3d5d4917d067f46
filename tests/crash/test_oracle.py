"""The oracle itself: it passes a history without fault, and every forgery turns it red."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from trust.history import (
    CANCELLED,
    FAILED,
    INTERRUPTED,
    PENDING,
    RUNNING,
    SUCCESS,
    Change,
    Death,
    History,
    Life,
    Request,
    Row,
    Run,
)
from trust.oracle import RULES, judge
from trust.recovery import recoveries
from trust.workload import KINDS

PIDS = {"A": 1, "B": 2}


class Story:
    """Tells a history step by step; every step takes 10 ms.

    A and B live from the start, and A is killed when `kill` says so.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.history = History(lives=[Life(name, pid, self.now) for name, pid in PIDS.items()])
        self._seqs = itertools.count(1)

    def change(self, task: str, **news: Any) -> None:
        """One committed change of a task's row."""
        self.now += 0.01
        row = self.history.rows[task]
        due = news.pop("due_at", None)
        after = row._replace(**news)
        self.history.rows[task] = after
        self.history.changes.append(
            Change(
                next(self._seqs),
                self.now,
                task,
                row.state,
                after.state,
                row.fence,
                after.fence,
                row.owner,
                after.owner,
                row.failures,
                after.failures,
                row.interruptions,
                after.interruptions,
                due,
            )
        )

    def accept(self, func: str, *tasks: str) -> None:
        """A request whose tasks are born claimed by A."""
        rid = f"r-{tasks[0]}"
        request = Request(rid, len(tasks), self.now)
        for task in tasks:
            self.now += 0.01
            self.history.rows[task] = Row(task, func, PENDING, 1, "A", 0, 0, rid)
            self.history.changes.append(
                Change(
                    next(self._seqs),
                    self.now,
                    task,
                    None,
                    PENDING,
                    None,
                    1,
                    None,
                    "A",
                    None,
                    0,
                    None,
                    0,
                    0,
                )
            )
        self.now += 0.01
        request.acked_at, request.tasks = self.now, list(tasks)
        self.history.requests.append(request)

    def say(self, task: str, *whats: str) -> None:
        row = self.history.rows[task]
        for what in whats:
            self.now += 0.01
            pid = PIDS[row.owner or "A"]
            self.history.runs.append(Run(what, self.now, pid, task, row.failures, row.fence))

    def claim(self, task: str, owner: str = "A") -> None:
        self.change(task, owner=owner, fence=self.history.rows[task].fence + 1)

    def start(self, task: str) -> None:
        self.change(task, state=RUNNING)
        self.say(task, "start")

    def succeed(self, task: str) -> None:
        self.say(task, "effect", "done")
        self.change(task, state=SUCCESS, owner=None)

    def fail(self, task: str, state: int = PENDING) -> None:
        self.say(task, "fail")
        failures = self.history.rows[task].failures + 1
        due = int((self.now + 0.01) * 1e6)
        self.change(task, state=state, owner=None, failures=failures, due_at=due)
        # The longest delay of a flaky task.
        self.now += 0.2

    def kill(self) -> None:
        """A dies and B takes over what it holds; nothing is settled yet."""
        self.history.deaths.append(Death(PIDS["A"], self.now, "KILL"))
        for row in list(self.history.rows.values()):
            if row.owner == "A":
                self.claim(row.task, "B")

    def lose(self, task: str, state: int) -> None:
        """B settles a task that was RUNNING on A."""
        deaths = self.history.rows[task].interruptions + 1
        self.change(task, state=state, owner=None, interruptions=deaths)


def flaky(failures: int) -> str:
    """An id of a flaky task that fails so often."""
    return next(
        name
        for n in itertools.count()
        if KINDS["flaky"].failures_of(name := f"flaky{n}") == failures
    )


TWICE, TOO_OFTEN = flaky(2), flaky(4)


def told() -> Story:
    """One of everything, without fault."""
    story = Story()
    story.accept("plain", "plain")
    story.accept("plain", "one", "two", "three")
    for task in ("plain", "one", "two", "three"):
        story.start(task)
        story.succeed(task)
    for task in (TWICE, TOO_OFTEN):
        story.accept("flaky", task)
        most = KINDS["flaky"].retries + 1
        for failure in range(min(KINDS["flaky"].failures_of(task), most)):
            story.start(task)
            story.fail(task, FAILED if failure + 1 == most else PENDING)
            if failure + 1 < most:
                story.claim(task)
    story.start(TWICE)
    story.succeed(TWICE)
    story.accept("plain", "lost")
    story.accept("requeueable", "rescued")
    story.accept("plain", "unstarted")
    story.start("lost")
    story.start("rescued")
    story.kill()
    story.lose("lost", INTERRUPTED)
    story.lose("rescued", PENDING)
    story.change("unstarted", owner=None)
    for task in ("rescued", "unstarted"):
        story.claim(task, "B")
        story.start(task)
        story.succeed(task)
    return story


FORGERIES: dict[str, Callable[[], Iterator[History]]] = {}


def forges(rule: str) -> Callable[[Callable[[], Iterator[History]]], None]:
    def register(forge: Callable[[], Iterator[History]]) -> None:
        FORGERIES[rule] = forge

    return register


def edited(where: str, which: Callable[..., bool], **news: Any) -> History:
    """The faultless history with some of its tuples changed."""
    history = told().history
    old = getattr(history, where)
    new = [one._replace(**news) if which(one) else one for one in old]
    assert new != old
    setattr(history, where, new)
    return history


def with_row(task: str, **news: Any) -> History:
    history = told().history
    history.rows[task] = history.rows[task]._replace(**news)
    return history


@forges("acked_is_stored")
def _() -> Iterator[History]:
    history = told().history
    del history.rows["plain"]
    yield history


@forges("committed_before_ack")
def _() -> Iterator[History]:
    history = told().history
    first = next(change for change in history.changes if change.task == "plain")
    history.requests[0].acked_at = first.at - 0.005
    yield history


@forges("requests_are_whole")
def _() -> Iterator[History]:
    torn = told().history
    del torn.rows["two"]
    torn.requests[1].acked_at, torn.requests[1].tasks = None, []
    yield torn
    yield with_row("plain", rid="unsent")


@forges("everything_ended")
def _() -> Iterator[History]:
    yield with_row("plain", state=PENDING)
    yield with_row("plain", state=RUNNING)
    yield with_row("plain", owner="A")


@forges("ended_once")
def _() -> Iterator[History]:
    story = told()
    story.change("lost", state=SUCCESS)
    yield story.history
    yield with_row("plain", state=FAILED)


@forges("success_has_its_effect")
def _() -> Iterator[History]:
    history = told().history
    history.runs = [run for run in history.runs if (run.task, run.what) != ("plain", "effect")]
    yield history
    story = told()
    story.say("plain", "effect")
    yield story.history


@forges("interrupted_only_by_death")
def _() -> Iterator[History]:
    yield with_row("plain", state=CANCELLED)
    story = told()
    story.accept("requeueable", "again")
    story.claim("again", "B")
    story.start("again")
    story.lose("again", INTERRUPTED)
    yield story.history
    story = told()
    story.accept("plain", "waiting")
    story.change("waiting", state=INTERRUPTED, owner=None)
    yield story.history


@forges("one_start_per_attempt")
def _() -> Iterator[History]:
    story = told()
    story.say("plain", "start")
    yield story.history
    story = told()
    story.history.rows["lost"] = story.history.rows["lost"]._replace(fence=9)
    story.say("lost", "start")
    yield story.history
    story = told()
    story.say("rescued", "start")
    yield story.history


@forges("retry_counts_are_exact")
def _() -> Iterator[History]:
    yield with_row(TWICE, failures=3)
    yield with_row(TOO_OFTEN, failures=3)
    yield with_row("plain", state=FAILED, failures=1)
    history = told().history
    history.runs = [run for run in history.runs if (run.task, run.attempt) != (TWICE, 1)]
    yield history


@forges("never_early")
def _() -> Iterator[History]:
    late = int(2000.0 * 1e6)
    yield edited("changes", lambda one: one.task == TWICE and one.failures == 1, due_at=late)
    history = told().history
    failed = next(run.at for run in history.runs if (run.task, run.what) == (TWICE, "fail"))
    yield edited("runs", lambda one: (one.task, one.attempt) == (TWICE, 1), at=failed - 0.01)


@forges("changes_are_legal")
def _() -> Iterator[History]:
    for state, news in (
        (SUCCESS, {"state": RUNNING}),
        (SUCCESS, {"owner": "B"}),
        (SUCCESS, {"fence": 7}),
        (PENDING, {"state": SUCCESS, "owner": None}),
        (PENDING, {"failures": 1, "owner": None}),
        (RUNNING, {"state": PENDING, "owner": None, "interruptions": 1}),
        (RUNNING, {"state": SUCCESS, "owner": None, "failures": 1}),
        (RUNNING, {"state": SUCCESS}),
        (RUNNING, {"state": FAILED, "owner": None}),
        (RUNNING, {"state": RUNNING}),
        (RUNNING, {"state": PENDING, "owner": "B", "fence": 2}),
        (RUNNING, {"state": CANCELLED, "owner": None}),
    ):
        story = told()
        story.accept("plain", "odd")
        if state != PENDING:
            story.start("odd")
        if state == SUCCESS:
            story.succeed("odd")
        story.change("odd", **news)
        yield story.history
    yield edited("changes", lambda one: one.task == "plain", state=None)
    yield edited("changes", lambda one: one.old_state is None, state=RUNNING)


@forges("changes_are_complete")
def _() -> Iterator[History]:
    history = told().history
    history.changes = [one for one in history.changes if (one.task, one.state) != ("plain", 1)]
    yield history
    yield with_row("plain", fence=5)
    history = told().history
    history.changes = [one for one in history.changes if one.task != "plain"]
    yield history


@forges("fences_grow")
def _() -> Iterator[History]:
    story = told()
    story.accept("plain", "same")
    story.change("same", owner="B")
    yield story.history
    story = told()
    story.accept("plain", "jump")
    story.change("jump", state=RUNNING, fence=2)
    yield story.history


@forges("outcomes_carry_the_fence")
def _() -> Iterator[History]:
    # A zombie's result, accepted after B had claimed the task.
    yield edited("runs", lambda one: (one.task, one.what) == ("rescued", "done"), fence=1)
    yield edited("runs", lambda one: (one.task, one.what) == (TWICE, "fail"), fence=9)


@forges("unstarted_means_not_called")
def _() -> Iterator[History]:
    story = told()
    story.accept("plain", "taken back")
    story.start("taken back")
    story.change("taken back", state=PENDING, owner=None)
    yield story.history


@forges("interrupted_by_its_owners_end")
def _() -> Iterator[History]:
    for interruptions in (0, 1):
        story = told()
        story.accept("plain", "dropped")
        story.start("dropped")
        story.change("dropped", state=INTERRUPTED, owner=None, interruptions=interruptions)
        yield story.history


@forges("only_the_dead_are_robbed")
def _() -> Iterator[History]:
    history = told().history
    history.deaths.clear()
    yield history
    history = told().history
    history.deaths = [death._replace(at=death.at + 1) for death in history.deaths]
    yield history


@forges("the_dead_leave_the_right_state")
def _() -> Iterator[History]:
    for func, state in (("plain", PENDING), ("requeueable", INTERRUPTED), ("plain", SUCCESS)):
        story = Story()
        story.accept(func, "task")
        story.start("task")
        story.kill()
        story.lose("task", state)
        yield story.history


@forges("recovery_is_quick")
def _() -> Iterator[History]:
    history = told().history
    history.deaths = [death._replace(at=death.at - 2) for death in history.deaths]
    history.lives = [life._replace(at=life.at - 10) for life in history.lives]
    yield history


def test_a_history_without_fault_passes() -> None:
    story = told()

    assert judge(story.history) == []
    assert {row.state for row in story.history.rows.values()} == {SUCCESS, FAILED, INTERRUPTED}


def test_every_rule_has_a_forgery() -> None:
    assert FORGERIES.keys() == RULES.keys()


@pytest.mark.parametrize("rule", RULES)
def test_each_forgery_breaks_its_rule(rule: str) -> None:
    for number, history in enumerate(FORGERIES[rule](), 1):
        assert rule in {violation.rule for violation in judge(history)}, f"forgery {number}"


def test_a_drain_may_interrupt() -> None:
    story = Story()
    story.accept("plain", "task")
    story.start("task")
    story.history.deaths.append(Death(PIDS["A"], story.now, "TERM"))
    story.change("task", state=INTERRUPTED, owner=None)

    assert judge(story.history) == []


def test_time_without_any_other_instance_is_not_counted() -> None:
    story = Story()
    story.accept("plain", "task")
    story.start("task")
    story.history.lives = [Life("A", PIDS["A"], 1000.0), Life("B", PIDS["B"], story.now + 5)]
    story.history.deaths.append(Death(PIDS["A"], story.now, "KILL"))
    story.now += 6
    story.claim("task", "B")
    story.lose("task", INTERRUPTED)

    (found,) = recoveries(story.history)

    assert found.seconds == pytest.approx(6.02)
    assert found.attended == pytest.approx(1.02)
    assert judge(story.history) == []
