"""Child processes that die or are stopped, many times: what is told of each."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fastapi_taskflow import Backend, MemoryBackend, SqliteBackend, TaskManager
from tests.support import childwork
from trust import cancel, children, kills
from trust.gates import QuickRescue

STORES = {
    "memory": lambda _place: MemoryBackend(),
    "sqlite": lambda place: SqliteBackend(place / "tasks.db"),
}


@pytest.mark.parametrize("make_store", STORES.values(), ids=STORES)
async def test_a_task_that_always_crashes_is_run_four_times(
    tmp_path: Path, make_store: Callable[[Path], Backend]
) -> None:
    delays: list[float] = []
    store = QuickRescue(make_store(tmp_path), 0.01, lambda _task, delay: delays.append(delay))
    tasks = TaskManager(snapshot_backend=store, max_process_workers=2)
    tasks.task(executor="process", requeue_on_interrupt=True)(childwork.dies_of)
    tasks.task(executor="process", persist=True)(childwork.own_pid)
    async with tasks:
        poison = (await tasks.enqueue(childwork.dies_of, "kill")).task_id
        neighbours = [(await tasks.enqueue(childwork.own_pid)).task_id for _ in range(5)]
        records = [await children.ended(tasks, task_id) for task_id in (poison, *neighbours)]

    assert records[0].status.value == "interrupted"
    assert records[0].error == (
        "Interrupted: its process was killed by SIGKILL (signal 9) while it ran, as 4 processes "
        "did by now: it is not run again by itself"
    )
    assert len([line for line in records[0].logs if line.endswith("is about to die")]) == 4
    assert delays == [0.0, 5.0, 10.0]
    assert {record.status.value for record in records[1:]} == {"success"}


@pytest.mark.crash
@pytest.mark.slow
async def test_what_races_its_end_ends_in_one_way() -> None:
    figures = await cancel.measure(10, durable=True)

    assert figures["faults"] == []
    assert sum(figures["ends"].values()) >= 10


@pytest.mark.crash
@pytest.mark.slow
async def test_a_kill_is_told_of_whom_it_hit_and_of_nobody_else() -> None:
    figures = await kills.measure(60, 8, durable=False)

    assert figures["faults"] == []
    assert figures["killed_from_outside"] + figures["ended_themselves"] == 8
    assert sum(figures["ends"].values()) == 60
