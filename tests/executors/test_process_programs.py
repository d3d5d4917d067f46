"""Functions in the program that was started: as a file, a module, at a prompt, without a guard."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

WORK = '''
import asyncio, os, sys
from contextvars import ContextVar
from dataclasses import dataclass
from fastapi_taskflow import TaskManager, task_log
from fastapi_taskflow.testing import async_drain

CUSTOMER = ContextVar("customer", default="nobody")

class Wrong(Exception):
    """Of the program."""

@dataclass
class Order:
    number: int

def work(order, bare):
    task_log(f"{order} {bare.__name__} {CUSTOMER.get()} {sys.argv[1:]}")
    raise Wrong(order)
'''
MAIN = """
async def main():
    manager = TaskManager(max_process_workers=1)
    manager.task(executor="process", retries=1, retry_on=(Wrong,))(work)
    CUSTOMER.set("Ada")
    async with manager:
        added = await manager.enqueue(work, Order(7), Wrong)
        await async_drain(manager, timeout=60)
        record = await manager.get(added.task_id)
        for line in record.logs:
            print(line[20:])
        print(record.status.value, record.error, record.retries_used)
"""
START = "asyncio.run(main())"
# A function that is sent may not mention what cannot be.
TYPED = (
    f"{WORK.replace('CUSTOMER.get()', 'str().join(SOMEBODY)')}SOMEBODY = ['somebody']{MAIN}{START}"
)
GUARDED = f'{WORK}{MAIN}\nif __name__ == "__main__":\n    {START}\n'


def ended(tmp_path: Path, *command: str, source: str | None = None) -> tuple[str, str]:
    """What a program prints, on its two streams."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        input=source,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("command", [("app.py", "x"), ("-m", "pack.app", "x")])
def test_a_program_may_have_its_functions_in_itself(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "pack").mkdir()
    for place in (tmp_path, tmp_path / "pack"):
        (place / "app.py").write_text(GUARDED)
    out, err = ended(tmp_path, *command)

    said = "Order(number=7) Wrong Ada ['x']"
    assert out.splitlines() == [said, "", said, "failed Order(number=7) 1"], err


@pytest.mark.parametrize("command", [("-c", TYPED), ("-",)], ids=["an argument", "input"])
def test_what_stands_in_no_file_is_sent_as_it_is(tmp_path: Path, command: tuple[str, ...]) -> None:
    out, err = ended(tmp_path, *command, source=TYPED)

    said = "Order(number=7) Wrong somebody []"
    assert out.splitlines() == [said, "", said, "failed Order(number=7) 1"], err


@pytest.mark.parametrize(
    "start",
    [START, "import uvicorn; uvicorn.run(app, port=0, log_level='error')"],
    ids=["asyncio", "uvicorn"],
)
def test_a_program_without_a_guard_explains_itself(tmp_path: Path, start: str) -> None:
    app = """
from fastapi import FastAPI
from fastapi_taskflow import TaskAdmin
print("begins", flush=True)
manager = TaskManager(max_process_workers=1)
app = FastAPI()
TaskAdmin(app, manager, auto_install=True)
manager.task(executor="process", name="other")(work)

@app.router.on_event("startup")
async def begin():
    added = await manager.enqueue(work, Order(7), Wrong)
    asyncio.get_running_loop().create_task(told(added.task_id))

async def told(task_id):
    await async_drain(manager, timeout=60)
    print((await manager.get(task_id)).error, flush=True)
    os._exit(0)
"""
    (tmp_path / "app.py").write_text(WORK + MAIN + ("" if start == START else app) + start)
    out, err = ended(tmp_path, "app.py")

    assert 'belongs below `if __name__ == "__main__":`' in out, err
    assert out.count("begins") <= 2
