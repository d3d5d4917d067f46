"""SIGKILL at each step of a task's life: what was accepted ends rightly, once.

A server stops at a named point, the test kills it there and starts it again; every test
ends with the oracle's verdict on all that happened.
"""

import pytest

from trust.history import INTERRUPTED, PENDING, RUNNING, SUCCESS
from trust.instances import Instance
from trust.oracle import judge
from trust.site import Site, eventually

pytestmark = pytest.mark.crash


def killed_at(site: Site, point: str, kind: str) -> tuple[Instance, list[str]]:
    """A server killed at a point of the life of one task; what the client was told."""
    server = site.server().start(gate=point)
    answer = site.posting(server, kind)
    server.wait_for(point)
    if "insert" not in point:
        answer.result()
    site.kill(server)
    return server, answer.result()


def effects(site: Site, task: str) -> int:
    return len(site.lines("effect", task))


def test_before_the_insert_nothing_was_promised(site: Site) -> None:
    server, told = killed_at(site, "before insert", "plain")

    assert (told, site.rows()) == ([], {})
    server.start()
    (task,) = site.post(server, "plain")
    assert site.wait_for_ends().keys() == {task}
    assert judge(site.history()) == []


@pytest.mark.parametrize("kind", ["plain", "requeueable"])
def test_after_the_insert_the_task_runs_though_nobody_was_told(site: Site, kind: str) -> None:
    server, told = killed_at(site, "after insert", kind)

    assert told == []
    ((task, row),) = site.rows().items()
    assert (row.state, row.owner is None) == (PENDING, False)
    server.start()
    site.wait_for_ends()
    assert (site.row(task).state, effects(site, task)) == (SUCCESS, 1)
    assert judge(site.history()) == []


@pytest.mark.parametrize("kind", ["plain", "requeueable"])
def test_a_task_that_was_claimed_and_not_started_runs_once(site: Site, kind: str) -> None:
    server, (task,) = killed_at(site, "before start", kind)

    assert (site.row(task).state, site.row(task).owner is None) == (PENDING, False)
    server.start()
    row = site.wait_for_ends()[task]
    assert (row.state, row.interruptions, effects(site, task)) == (SUCCESS, 0, 1)
    assert judge(site.history()) == []


def test_a_claim_whose_answer_nobody_heard_is_given_back(site: Site) -> None:
    server = site.server().start(gate="after claim")
    (first,) = site.post(server, "held_alone")
    server.wait_for("running held_alone")
    (second,) = site.post(server, "held_alone")
    server.release()
    server.wait_for("after claim")

    assert (site.row(second).state, site.row(second).owner is None) == (PENDING, False)
    site.kill(server)
    server.start().release()
    site.wait_for_ends()
    assert [effects(site, task) for task in (first, second)] == [1, 1]
    assert judge(site.history()) == []


def test_a_plain_task_that_was_started_is_interrupted_even_if_not_called(site: Site) -> None:
    server, (task,) = killed_at(site, "after start", "plain")

    assert site.row(task).state == RUNNING
    server.start()
    row = site.wait_for_ends()[task]
    assert (row.state, row.interruptions, effects(site, task)) == (INTERRUPTED, 1, 0)
    assert judge(site.history()) == []


def test_a_requeueable_task_that_was_started_runs_again(site: Site) -> None:
    server, (task,) = killed_at(site, "after start", "requeueable")

    server.start()
    row = site.wait_for_ends()[task]
    assert (row.state, row.interruptions, effects(site, task)) == (SUCCESS, 1, 1)
    assert judge(site.history()) == []


@pytest.mark.parametrize("kind", ["held", "held_threaded", "held_requeueable"])
def test_a_peer_recovers_what_ran_when_its_owner_was_killed(site: Site, kind: str) -> None:
    server, peer = site.server().spawn(), site.server().start()
    server.wait_for("ready")
    (task,) = site.post(server, kind)
    server.wait_for(f"running {kind}")
    site.kill(server)

    if kind == "held_requeueable":
        peer.wait_for(f"running {kind}")
        peer.release()
        row = site.wait_for_ends()[task]
        assert (row.state, row.interruptions, effects(site, task)) == (SUCCESS, 1, 1)
    else:
        row = site.wait_for_ends()[task]
        assert (row.state, row.interruptions, effects(site, task)) == (INTERRUPTED, 1, 0)
        ((error,),) = site.ask("SELECT error FROM taskflow_tasks WHERE id = ?", task)
        assert "its instance died while it ran" in error
    assert judge(site.history()) == []


@pytest.mark.parametrize(
    ("kind", "state", "times"), [("plain", INTERRUPTED, 1), ("requeueable", SUCCESS, 2)]
)
def test_an_end_that_was_not_committed_did_not_happen(
    site: Site, kind: str, state: int, times: int
) -> None:
    server, (task,) = killed_at(site, "before finish succeed", kind)

    assert (site.row(task).state, effects(site, task)) == (RUNNING, 1)
    server.start()
    row = site.wait_for_ends()[task]
    assert (row.state, effects(site, task)) == (state, times)
    assert judge(site.history()) == []


@pytest.mark.parametrize("kind", ["plain", "requeueable"])
def test_an_end_that_was_committed_stays(site: Site, kind: str) -> None:
    server, (task,) = killed_at(site, "after finish succeed", kind)

    assert site.row(task).state == SUCCESS
    server.start()
    site.post(server, "plain")
    row = site.wait_for_ends()[task]
    assert (row.state, row.fence, effects(site, task)) == (SUCCESS, 1, 1)
    assert judge(site.history()) == []


def test_a_failure_that_was_not_committed_is_not_counted(site: Site) -> None:
    server, (task,) = killed_at(site, "before finish retry", "fails_once")

    server.start()
    row = site.wait_for_ends()[task]
    assert (row.state, row.failures, row.interruptions) == (INTERRUPTED, 0, 1)
    assert judge(site.history()) == []


def test_a_retry_waits_for_its_due_time_across_a_crash(site: Site) -> None:
    server, (task,) = killed_at(site, "after finish retry", "fails_once")

    assert (site.row(task).state, site.row(task).failures) == (PENDING, 1)
    server.start()
    row = site.wait_for_ends()[task]
    assert (row.state, row.failures, row.interruptions) == (SUCCESS, 1, 0)
    assert [line["attempt"] for line in site.lines("start", task)] == [0, 1]
    assert judge(site.history()) == []


@pytest.mark.parametrize(
    ("point", "kind", "state"),
    [
        ("after recover", "held", INTERRUPTED),
        ("after recover", "held_requeueable", SUCCESS),
        ("before finish lose", "held", INTERRUPTED),
        ("before finish rescue", "held_requeueable", SUCCESS),
    ],
)
def test_who_recovers_may_die_too_and_one_death_counts_once(
    site: Site, point: str, kind: str, state: int
) -> None:
    server = site.server().start()
    (task,) = site.post(server, kind)
    server.wait_for(f"running {kind}")
    site.kill(server)
    heir = site.server(gate=point).spawn()
    heir.wait_for(point)
    site.kill(heir)

    server.start().release()
    row = site.wait_for_ends()[task]
    assert (row.state, row.interruptions) == (state, 1)
    assert effects(site, task) == (state == SUCCESS)
    assert judge(site.history()) == []


@pytest.mark.parametrize(("kind", "state"), [("held", INTERRUPTED), ("held_requeueable", SUCCESS)])
def test_a_kill_during_the_drain_is_a_death_like_any_other(
    site: Site, kind: str, state: int
) -> None:
    server = site.server(drain_timeout=60.0).start()
    (task,) = site.post(server, kind)
    server.wait_for(f"running {kind}")
    site.told_to_stop(server)
    server.process.terminate()
    server.wait_for(f"stopping {kind}")
    site.kill(server)

    assert site.row(task).state == RUNNING
    server.start().release()
    row = site.wait_for_ends()[task]
    assert (row.state, row.interruptions) == (state, 1)
    assert judge(site.history()) == []


@pytest.mark.parametrize(
    ("point", "kind", "state", "deaths"),
    [
        ("before finish interrupt", "held", INTERRUPTED, 1),
        ("after finish interrupt", "held", INTERRUPTED, 0),
        ("before finish drain", "held_requeueable", SUCCESS, 1),
        ("after finish drain", "held_requeueable", SUCCESS, 0),
        ("before retire", "held_requeueable", SUCCESS, 0),
    ],
)
def test_a_kill_at_the_end_of_the_drain_changes_nothing_twice(
    site: Site, point: str, kind: str, state: int, deaths: int
) -> None:
    server = site.server(drain_timeout=0.1).start(gate=point)
    (task,) = site.post(server, kind)
    server.wait_for(f"running {kind}")
    site.told_to_stop(server)
    server.process.terminate()
    server.wait_for(point)
    site.kill(server)

    server.start().release()
    row = site.wait_for_ends()[task]
    assert (row.state, row.interruptions) == (state, deaths)
    assert judge(site.history()) == []


@pytest.mark.parametrize("point", ["before insert", "after insert"])
def test_the_tasks_of_a_request_live_or_die_together(site: Site, point: str) -> None:
    server = site.server().start(gate=point)
    answer = site.posting(server, "plain", via="group")
    server.wait_for(point)
    site.kill(server)

    assert answer.result() == []
    assert len(site.rows()) == (0 if point == "before insert" else 3)
    server.start()
    assert all(row.state == SUCCESS for row in site.wait_for_ends().values())
    assert judge(site.history()) == []


def test_a_task_that_is_not_durable_is_interrupted_once_its_record_is_stored(site: Site) -> None:
    server = site.server().start()
    (task,) = site.post(server, "fleeting", ms=60_000)
    eventually(lambda: task in site.rows() and site.row(task).state == RUNNING)
    site.kill(server)

    server.start()
    row = site.wait_for_ends()[task]
    assert (row.state, effects(site, task)) == (INTERRUPTED, 0)
