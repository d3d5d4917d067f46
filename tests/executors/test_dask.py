"""Tasks on a real Dask cluster through the whole engine, with what may die killed."""

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client
from starlette.testclient import TestClient

from fastapi_taskflow import ConfigurationError, TaskManager, TaskRecord
from fastapi_taskflow.executors.dask import DaskExecutor
from fastapi_taskflow.testing import drain
from fastapi_taskflow.testing.conformance.runs import Watched, call_of
from tests.support import daskwork
from tests.support.daskcluster import Cluster, dask_cluster
from tests.support.pages import DOCS, paste
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask"), "a", "b", threads=2) as cluster:
        yield cluster


@pytest.fixture
async def tasks(cluster: Cluster, tmp_path: Path) -> AsyncIterator[TaskManager]:
    """Of `place`, whoever waits is let go."""
    async with manager(cluster.address, tmp_path) as tasks:
        yield tasks
        (tmp_path / "open").touch()


def manager(dask: Any, place: Path, **settings: Any) -> TaskManager:
    return TaskManager(snapshot_db=place / "tasks.db", dask=dask, drain_timeout=30.0, **settings)


async def added(tasks: TaskManager, func: Any, *args: Any, **settings: Any) -> str:
    if not tasks.registry.is_registered(func):
        tasks.task(executor="dask", **settings)(func)
    return (await tasks.enqueue(func, *args)).task_id


async def begun(place: Path, name: str, times: int = 1) -> list[int]:
    """The processes in which it began."""

    def pids() -> list[int]:
        file = place / f"{name} began"
        found = [int(line) for line in file.read_text().split()] if file.exists() else []
        return found if len(found) >= times else []

    found: list[int] = await wait_until(pids)
    return found


async def ended(tasks: TaskManager, task_id: str) -> TaskRecord:
    def over() -> bool:
        record = tasks.store.get(task_id)
        return record is not None and record.end_time is not None

    await wait_until(over)
    record = await tasks.get(task_id)
    assert record is not None
    return record


async def test_it_runs_on_a_worker(tasks: TaskManager, tmp_path: Path) -> None:
    record = await ended(tasks, await added(tasks, daskwork.counts_starts, str(tmp_path), "one"))

    assert (record.status.value, record.executor) == ("success", "dask")
    assert await begun(tmp_path, "one") != [os.getpid()]


async def test_lines_are_there_while_it_runs(tasks: TaskManager, tmp_path: Path) -> None:
    task_id = await added(tasks, daskwork.says, str(tmp_path))
    record = await wait_until(
        lambda: (found := tasks.store.get(task_id)) and len(found.logs) > 1 and found
    )

    assert record.status.value == "running"
    assert [line[20:] for line in record.logs] == ["by hand", "by logging"]
    assert [one.level for one in record.log_entries()] == ["warning", "error"]


async def test_many_lines_come_in_order(tasks: TaskManager) -> None:
    record = await ended(tasks, await added(tasks, daskwork.says_much, 900))

    # The record keeps the latest.
    numbers = [int(line.split()[2]) for line in record.logs[1:]]
    assert numbers == list(range(900 - len(numbers), 900))
    assert len(numbers) > 100


async def test_a_function_that_looks_is_cancelled(tasks: TaskManager, tmp_path: Path) -> None:
    task_id = await added(tasks, daskwork.looks, str(tmp_path), "one")
    await begun(tmp_path, "one")
    await tasks.cancel(task_id)

    assert (await ended(tasks, task_id)).status.value == "cancelled"


async def test_a_timeout_ends_the_attempt_and_tells_the_function(
    tasks: TaskManager, tmp_path: Path
) -> None:
    task_id = await added(tasks, daskwork.looks, str(tmp_path), "one", timeout=0.5)
    record = await ended(tasks, task_id)

    assert record.status.value == "failed"
    assert str(record.error).startswith("Timed out")
    await wait_until((tmp_path / "one learned").exists)


async def test_futures_among_the_arguments_stay_on_the_cluster(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with (
        Client(cluster.address, asynchronous=True) as client,
        TaskManager(dask=client) as tasks,
    ):
        tasks.task(executor="dask")(daskwork.adds)
        one = client.submit(pow, 2, 5)
        two = client.submit(pow, 2, 6)
        task_id = (await tasks.enqueue(daskwork.adds, {"of": [one, two]}, more=two)).task_id
        record = await ended(tasks, task_id)
        await wait_until(lambda: client.status == "running")

    assert [line[20:] for line in record.logs] == ["160"]


async def test_a_future_of_another_client_of_the_cluster_is_taken(cluster: Cluster) -> None:
    async with (
        Client(cluster.address, asynchronous=True) as client,
        TaskManager(dask=cluster.address) as tasks,
    ):
        future = client.submit(pow, 2, 5)
        await future
        record = await ended(tasks, await added(tasks, daskwork.takes, future))

    assert [line[20:] for line in record.logs] == ["32"]


async def test_a_future_that_is_gone_is_told(cluster: Cluster) -> None:
    async with (
        Client(cluster.address, asynchronous=True, set_as_default=False) as client,
        TaskManager(dask=client) as tasks,
    ):
        future = client.submit(pow, 2, 5)
        await future
        await future.cancel()
        record = await ended(tasks, await added(tasks, daskwork.takes, future))

    assert "A Dask future among the arguments is not on the cluster" in str(record.error)


def _in_a_thread(address: str) -> Client:
    return Client(address, set_as_default=False)


async def test_a_clients_own_loop_is_used_and_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    client = await asyncio.to_thread(_in_a_thread, cluster.address)
    for _ in range(2):
        async with manager(client, tmp_path) as tasks:
            record = await ended(tasks, await added(tasks, daskwork.own_pid))
        assert record.status.value == "success"

    assert client.status == "running"
    await asyncio.to_thread(client.close)
    with pytest.raises(ConfigurationError, match="the client is closed"):
        async with manager(client, tmp_path):
            raise AssertionError


async def test_a_function_may_use_dask_and_returns_no_future(tasks: TaskManager) -> None:
    record = await ended(tasks, await added(tasks, daskwork.asks_dask))

    assert record.status.value == "success"
    assert record.logs[0][20:] == "16"
    assert "(Future) is on the cluster only" in str(record.result_missing)


async def test_modules_that_a_worker_does_not_find_are_named(
    tasks: TaskManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def nothing() -> None: ...")
    monkeypatch.syspath_prepend(tmp_path)
    nothing = importlib.import_module("only_here").nothing
    record = await ended(tasks, await added(tasks, nothing))

    assert record.status.value == "failed"
    assert "No module named 'only_here' on the Dask worker tcp://" in str(record.error)
    assert "PYTHONPATH" in str(record.error)


async def test_a_cluster_without_this_package_says_so_and_lives_on(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys; sys.modules['fastapi_taskflow.executors'] = None"
    )
    with dask_cluster(tmp_path, "bare") as cluster:
        async with manager(cluster.address, tmp_path) as tasks:
            record = await ended(tasks, await added(tasks, daskwork.own_pid))

        assert record.status.value == "failed"
        assert "on a Dask worker. Workers need this package" in str(record.error)
        assert cluster.workers["bare"].poll() is None


async def test_another_version_on_a_worker_is_told(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi_taskflow.executors.dask.link.__version__", "0.0.1")
    async with manager(cluster.address, tmp_path) as tasks:
        record = await ended(tasks, await added(tasks, daskwork.own_pid))

    assert "the app has 0.0.1. Install the same version" in str(record.error)


async def test_what_is_added_after_its_client_was_closed_fails(
    cluster: Cluster, tmp_path: Path
) -> None:
    client = await asyncio.to_thread(_in_a_thread, cluster.address)
    async with manager(client, tmp_path) as tasks:
        await asyncio.to_thread(client.close)
        record = await ended(tasks, await added(tasks, daskwork.own_pid))

    assert record.status.value == "failed"
    assert "The Dask client that the manager was given is closed" in str(record.error)


async def test_a_large_value_comes_back(cluster: Cluster) -> None:
    executor = DaskExecutor(cluster.address)
    await executor.open()
    told = await Watched(executor, call_of(daskwork.gives, 1_000_000)).end()
    await executor.close(1.0)

    assert told.value == b"x" * 1_000_000  # type: ignore[union-attr]


async def test_a_client_on_the_apps_loop_is_used_and_left_alone(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with Client(cluster.address, asynchronous=True, set_as_default=False) as client:
        async with manager(client, tmp_path) as tasks:
            record = await ended(tasks, await added(tasks, daskwork.own_pid))

        assert record.status.value == "success"
        assert client.status == "running"


async def test_progress_and_context_variables_travel(tasks: TaskManager) -> None:
    daskwork.VARIABLE.set("from the caller")
    record = await ended(tasks, await added(tasks, daskwork.reports))

    assert [line[20:] for line in record.logs] == ["from the caller"]
    assert record.progress is not None
    assert (record.progress.done, record.progress.total) == (3, 4)


def test_the_guides_task_runs(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASK", cluster.address)
    monkeypatch.syspath_prepend(cluster.folder)
    monkeypatch.chdir(cluster.folder)
    paste(DOCS / "guides" / "dask.md", cluster.folder)
    page = importlib.import_module("forecasts")
    with TestClient(page.app) as client:
        task_id = client.post("/forecasts/rome").json()
        drain(page.task_manager, timeout=60)
        task = client.get(f"/tasks/{task_id}").json()

    assert (task["status"], task["executor"]) == ("success", "dask")
    assert [line[20:] for line in task["logs"]] == ["rome: 14 days", "so are lines of logging"]


async def test_no_scheduler_at_the_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi_taskflow.executors.dask.connection._CONNECT_SECONDS", 0.5)
    with pytest.raises(ConfigurationError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9"):
        async with manager("tcp://127.0.0.1:9", tmp_path):
            raise AssertionError


@pytest.mark.parametrize("address", ["127.0.0.1", "http://127.0.0.1:8786"])
async def test_what_is_no_address_is_told(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no address of a scheduler"):
        async with manager(address, tmp_path):
            raise AssertionError


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastapi_taskflow.executors.dask.executor.find_spec", lambda name: None)

    with pytest.raises(ImportError, match=r"pip install 'fastapi-taskflow\[dask\]'"):
        TaskManager(dask="tcp://127.0.0.1:9")


def test_dask_is_not_imported_before_it_is_needed() -> None:
    source = (
        "import sys; from fastapi_taskflow import TaskManager; TaskManager(dask='tcp://127.0.0.1:9');"
        "print({'dask', 'distributed'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )

    assert done.stdout == "set()\n"


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="dask takes the address"):
        TaskManager(dask=8786)
    with pytest.raises(ConfigurationError, match="needs TaskManager"):
        TaskManager().task(executor="dask")(daskwork.own_pid)
    with pytest.raises(ConfigurationError, match="lambda"):
        TaskManager(dask="tcp://127.0.0.1:9").task(executor="dask")(lambda: None)
