"""What a child process imports before it can run anything: most of its start's cost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastapi_taskflow import ConfigurationError, TaskManager
from fastapi_taskflow.testing import async_drain
from tests.support import childwork

FOR_SERVERS = {"fastapi", "starlette", "sqlite3", "typer", "rich"}


async def test_a_child_has_no_server_s_modules(tmp_path: Path) -> None:
    tasks = TaskManager(max_process_workers=1)
    tasks.task(executor="process")(childwork.lists_modules)

    async with tasks:
        await tasks.enqueue(childwork.lists_modules, str(tmp_path / "modules"))
        await async_drain(tasks, timeout=60.0)

    loaded = set((tmp_path / "modules").read_text().split())
    assert {"tests.support.childwork", "fastapi_taskflow.executors.process.child"} <= loaded
    assert loaded & FOR_SERVERS == set()
    for floor in ("admin", "app", "backends", "engine", "manager", "operations"):
        assert [name for name in loaded if name.startswith(f"fastapi_taskflow.{floor}")] == []


async def test_a_child_stands_back_as_far_as_it_is_told() -> None:
    tasks = TaskManager(max_process_workers=1, process_niceness=7)
    tasks.task(executor="process")(childwork.own_niceness)

    async with tasks:
        added = await tasks.enqueue(childwork.own_niceness)
        assert await tasks.result(added.task_id, timeout=60.0) == min(os.nice(0) + 7, 19)


@pytest.mark.parametrize("wrong", [-1, 20, 1.5], ids=str)
def test_a_niceness_that_there_is_not_is_refused(wrong: float) -> None:
    with pytest.raises(ConfigurationError, match="process_niceness"):
        TaskManager(process_niceness=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("statement", "unneeded"),
    [
        ("import fastapi_taskflow", {"asyncio", "fastapi", "pydantic"}),
        ("from fastapi_taskflow import task_log", {"fastapi", "sqlite3"}),
        ("from fastapi_taskflow import TaskAdmin, TaskManager", {"hypothesis", "rich", "typer"}),
    ],
)
def test_a_name_brings_what_it_needs(statement: str, unneeded: set[str]) -> None:
    script = f"{statement}; import sys; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )

    loaded = set(done.stdout.split())
    assert "fastapi_taskflow" in loaded
    assert loaded & unneeded == set()


def test_every_name_at_the_top_is_found() -> None:
    script = (
        "import fastapi_taskflow as top; from fastapi_taskflow import *; "
        "assert set(top.__all__) <= set(dir(top)) & set(globals()); top.TaskManger"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )

    assert "AttributeError: module 'fastapi_taskflow' has no attribute 'TaskManger'" in done.stderr
