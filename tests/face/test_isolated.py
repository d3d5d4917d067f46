"""`isolated`: a store of its own for each test of an app with a manager in a module."""

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from fastapi_taskflow import ConfigurationError, TaskManager, TaskStatus
from fastapi_taskflow.testing import drain, isolated


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tasks.db"


@pytest.fixture
def manager(file):
    return TaskManager(snapshot_db=file)


@pytest.fixture
def app(manager):
    app = FastAPI()
    manager.init_app(app)

    @manager.task(persist=True)
    async def work(): ...

    @app.post("/")
    def add(tasks=Depends(manager.get_tasks)):  # noqa: B008
        return tasks.add_task(work)

    return app


def post(app, manager):
    with TestClient(app) as client:
        task_id = client.post("/").raise_for_status().json()
        drain(manager, timeout=60)
        return task_id, [record.task_id for record in manager.store.list()]


def test_durable_tasks_run_and_the_own_store_is_not_even_made(app, manager, file):
    with isolated(manager):
        task_id, _ = post(app, manager)

        assert manager.store.get(task_id).status is TaskStatus.SUCCESS
    assert not file.exists()
    assert manager.store.get(task_id) is None


def test_each_begins_empty(app, manager):
    with isolated(manager):
        post(app, manager)
    with isolated(manager):
        task_id, known = post(app, manager)

    assert known == [task_id]


def test_the_own_store_is_back_afterwards_also_after_a_failure(app, manager, file):
    own, _ = post(app, manager)
    with pytest.raises(ZeroDivisionError), isolated(manager):
        raise ZeroDivisionError

    task_id, known = post(app, manager)

    assert set(known) == {own, task_id}


def test_it_stands_around_the_lifespan_not_within(app, manager):
    with TestClient(app), pytest.raises(RuntimeError, match="before the app's lifespan"):
        isolated(manager).__enter__()


def test_without_a_store_a_durable_task_is_refused_as_ever(app):
    bare = TaskManager()

    @bare.task(persist=True)
    async def work(): ...

    bare.init_app(app)

    with pytest.raises(ValueError, match="no backend"), isolated(bare), TestClient(app):
        pytest.fail("it started")


def test_the_app_in_the_managers_place_is_told_of(app, manager):
    for tool in (drain, lambda given: isolated(given).__enter__()):
        with pytest.raises(ConfigurationError, match=r"takes the TaskManager, got .*FastAPI"):
            tool(app)
