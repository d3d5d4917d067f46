"""Workers and schedulers that are killed while tasks run on them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executors.test_dask import added, begun, ended, manager
from tests.support import daskwork
from tests.support.daskcluster import Cluster, dask_cluster
from tests.support.servers import ROOT
from tests.support.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.crash


_APP = """
import asyncio, sys
from fastapi_taskflow import TaskManager
from tests.support.daskwork import looks

async def main(address, place):
    tasks = TaskManager(dask=address)
    tasks.task(executor="dask")(looks)
    async with tasks:
        await tasks.enqueue(looks, place, "one")
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    """With two workers of one thread each, that live or are about to."""
    shared.keep(2)
    return shared


async def test_a_worker_that_dies_takes_its_task_and_no_other(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with manager(cluster.address, tmp_path) as tasks:
        first = await added(tasks, daskwork.meets, str(tmp_path), "first")
        second = await added(tasks, daskwork.meets, str(tmp_path), "second")
        (pid,) = await begun(tmp_path, "first")
        await begun(tmp_path, "second")
        os.kill(pid, signal.SIGKILL)
        record = await ended(tasks, first)
        (tmp_path / "open").touch()

        assert record.status.value == "interrupted"
        assert "its Dask worker" in str(record.error)
        assert (await ended(tasks, second)).status.value == "success"
        assert len(await begun(tmp_path, "first")) == 1


async def test_a_worker_that_dies_runs_again_what_may_run_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with manager(cluster.address, tmp_path) as tasks:
        one = await added(tasks, daskwork.meets, str(tmp_path), "one", requeue_on_interrupt=True)
        (pid,) = await begun(tmp_path, "one")
        os.kill(pid, signal.SIGKILL)
        pids = await begun(tmp_path, "one", 2)
        (tmp_path / "open").touch()

        assert (await ended(tasks, one)).status.value == "success"
        assert len(await begun(tmp_path, "one", 2)) == len(set(pids)) == 2


async def test_a_worker_that_stands_still_is_lost_in_time(cluster: Cluster, tmp_path: Path) -> None:
    async with manager(
        cluster.address, tmp_path, instance_ttl=3.0, heartbeat_interval=1.0
    ) as tasks:
        one = await added(tasks, daskwork.looks, str(tmp_path), "one")
        (pid,) = await begun(tmp_path, "one")
        os.kill(pid, signal.SIGSTOP)
        record = await ended(tasks, one)
        os.kill(pid, signal.SIGCONT)

        assert record.status.value == "interrupted"
        assert "was silent for 3 s" in str(record.error)
        await wait_until((tmp_path / "one learned").exists)


def test_a_function_that_looks_learns_that_its_app_is_dead(
    cluster: Cluster, tmp_path: Path
) -> None:
    app = subprocess.Popen([sys.executable, "-c", _APP, cluster.address, str(tmp_path)], cwd=ROOT)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (tmp_path / "one began").exists():
        assert app.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    app.kill()
    app.wait()
    while not (tmp_path / "one learned").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_a_scheduler_that_dies_loses_what_has_begun_and_nothing_else(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with manager(cluster.address, tmp_path) as tasks:
        one = await added(tasks, daskwork.meets, str(tmp_path), "one")
        await begun(tmp_path, "one")
        cluster.kill(cluster.scheduler)
        record = await ended(tasks, one)
        assert record.status.value == "interrupted"
        assert "scheduler-connection-lost" in str(record.error)

        (tmp_path / "open").touch()
        later = await added(tasks, daskwork.counts_starts, str(tmp_path), "later")
        cluster.restart_scheduler()
        cluster.add_worker("fresh")

        assert (await ended(tasks, later)).status.value == "success"
        assert len(await begun(tmp_path, "later")) == 1
