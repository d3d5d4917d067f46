"""Slots of executors, and what runs in them, wherever somebody looks."""

from datetime import UTC, datetime
from threading import Event

import pytest

from fastapi_taskflow import TaskStatus
from fastapi_taskflow.backends.base import InstanceInfo
from fastapi_taskflow.words.ids import new_id

THREADS = 6


@pytest.fixture
def busy(desk):
    """A function runs in a thread from the queue `mail`; another has ended in `default`."""
    let_go = Event()

    def holds() -> None:
        let_go.wait()

    desk.manager.task(persist=True, queue="mail")(holds)
    desk.ended(desk.succeed)
    task_id = desk.running(holds)
    yield desk
    let_go.set()
    desk.reached(task_id, TaskStatus.SUCCESS)


def shown(executors):
    return {one["name"]: (one["slots"], one["running"]) for one in executors}


def enlist(desk, **executors):
    other = InstanceInfo(
        instance_id=new_id(),
        host="elsewhere",
        pid=4711,
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        roles=frozenset({"execute"}),
        ttl=60.0,
        executors=executors,
    )
    desk.call(desk.store.enlist, other)


def test_health_and_its_instance_tell_of_this_process(busy):
    health = shown(busy.client.get("/tasks/health").json()["executors"])
    (instance,) = busy.client.get("/tasks/instances").json()

    assert (health["async"], health["thread"]) == ((None, 0), (THREADS, 1))
    assert health["process"][0] >= 1
    assert shown(instance["executors"]) == health


def test_another_instance_tells_of_its_slots_and_not_of_its_runs(busy):
    enlist(busy, gpu=1, thread=3)

    found = {one["pid"]: one for one in busy.client.get("/tasks/instances").json()}

    assert shown(found[4711]["executors"]) == {"gpu": (1, None), "thread": (3, None)}


def test_a_queue_tells_where_its_functions_run_on_all_instances(busy):
    enlist(busy, gpu=1, thread=3)

    queues = {one["name"]: one for one in busy.client.get("/tasks/queues").json()}
    answered = busy.client.patch("/tasks/queues/mail", json={"concurrency": 3}).json()

    assert shown(queues["mail"]["executors"]) == {"thread": (THREADS + 3, 1)}
    assert shown(queues["default"]["executors"]) == {"async": (None, 0)}
    assert answered["executors"] == queues["mail"]["executors"]
