"""Routes about instances: who is there, what they can run, and whether this one is well."""

import os
import socket
from datetime import UTC, datetime

from fastapi_taskflow import __version__
from fastapi_taskflow.backends.base import InstanceInfo, NewTask
from fastapi_taskflow.words.ids import new_id
from tests.support.waiting import wait_until


def enlist(desk, *functions, roles=("execute",)):
    """Another instance on the same store that says that it has these functions."""
    other = InstanceInfo(
        instance_id=new_id(),
        host="elsewhere",
        pid=4711,
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        roles=frozenset(roles),
        ttl=60.0,
        functions=frozenset(functions),
    )
    desk.call(desk.store.enlist, other)
    return other.instance_id


# Instances


def test_the_instance_that_answers_says_what_it_is(desk):
    (one,) = desk.client.get("/tasks/instances").json()

    assert one["this"] is True
    assert (one["host"], one["pid"]) == (socket.gethostname(), os.getpid())
    assert one["roles"] == ["enqueue", "execute", "maintain", "observe"]
    assert one["started_at"].endswith("+00:00")
    assert one["lag"] >= 0
    assert (one["version"], one["running"]) == (__version__, 0)
    assert one["draining"] is False


def test_another_one_that_stops_says_so_through_the_store(desk):
    other = enlist(desk, "a")
    desk.call(desk.store.beat, other, 0.25, running=3, draining=True)

    (shown, _) = desk.client.get("/tasks/instances").json()

    assert shown["instance_id"] == other
    assert (shown["lag"], shown["running"], shown["draining"]) == (0.25, 3, True)
    assert shown["version"] is None


def test_its_heartbeats_grow(desk):
    def beats():
        return desk.client.get("/tasks/instances").json()[0]["heartbeats"]

    before = beats()

    async def grown():
        signals = await desk.store.signals("")
        return signals.peers[0].counter > before

    desk.call(wait_until, grown)
    assert beats() > before


def test_others_on_the_store_are_shown_oldest_first(desk):
    other = enlist(desk, "a", "b")

    found = desk.client.get("/tasks/instances").json()

    assert [(one["instance_id"] == other, one["this"]) for one in found] == [
        (True, False),
        (False, True),
    ]
    assert (found[0]["host"], found[0]["pid"], found[0]["functions"]) == ("elsewhere", 4711, 2)
    assert found[0]["started_at"] == "2026-01-02T00:00:00+00:00"


# Functions


def function(desk, name):
    found = {one["func_name"]: one for one in desk.client.get("/tasks/functions").json()}
    return found.get(name)


def waits_for(desk, name, **more):
    """A task in the store that is nobody's yet."""
    task = NewTask(new_id(), name, None, "default", datetime.now(UTC), **more)
    desk.call(desk.store.insert, [[task]])


def test_a_registered_function_shows_its_settings_before_it_had_a_task(desk):
    def send() -> None: ...

    settings = {"retries": 3, "delay": 1.5, "backoff": 2.0, "timeout": 60.0, "priority": 4}
    desk.manager.task(persist=True, queue="mail", **settings)(send)

    shown = function(desk, "send")

    assert shown["settings"] == {
        "executor": "thread",
        "queue": "mail",
        "priority": 4,
        "eager": False,
        "persist": True,
        "requeue_on_interrupt": False,
        "retries": 3,
        "delay": 1.5,
        "backoff": 2.0,
        "max_delay": None,
        "jitter": 0.0,
        "timeout": 60.0,
        "memory_limit": None,
        "result_ttl": None,
    }
    assert (shown["pending"], shown["ended"], shown["avg_duration_seconds"]) == (0, 0, None)


def test_functions_count_their_tasks_and_name_who_runs_them(desk):
    desk.ended(desk.succeed)
    desk.ended(desk.fail)
    other = enlist(desk, "succeed", "theirs")
    enlist(desk, "succeed", "theirs", roles=("enqueue",))
    this = desk.manager.runtime.engine().instance_id

    succeed, theirs = function(desk, "succeed"), function(desk, "theirs")

    assert (succeed["success"], succeed["failed"], succeed["success_rate"]) == (1, 0, 1.0)
    assert function(desk, "fail")["failed"] == 1
    assert set(succeed["instances"]) == {this, other}
    assert (theirs["settings"], theirs["instances"]) == (None, [other])


def test_functions_are_in_the_order_of_their_names(desk):
    names = [one["func_name"] for one in desk.client.get("/tasks/functions").json()]

    assert names == sorted(names)
    assert {"succeed", "fail", "stand"} <= set(names)


def test_a_function_is_stranded_where_tasks_wait_and_nobody_has_it(desk):
    waits_for(desk, "gone")
    before = function(desk, "gone")
    enlist(desk, "gone", roles=("enqueue",))
    unable = function(desk, "gone")
    enlist(desk, "gone")
    able = function(desk, "gone")

    assert (before["settings"], before["pending"], before["stranded"]) == (None, 1, True)
    assert unable["stranded"] is True
    assert able["stranded"] is False


def test_a_task_that_waits_in_its_own_process_needs_no_name(desk):
    async def nameless() -> None: ...

    desk.add(nameless, delay=60.0)

    shown = function(desk, "nameless")

    assert (shown["settings"], shown["pending"], shown["stranded"]) == (None, 1, False)
