"""``rotate-keys`` changes the key of a whole store, also after it was killed."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fastapi_taskflow import TaskManager

COMMAND = Path(sys.executable).with_name("fastapi-taskflow")
OLD, NEW = "the secret of last year", "the secret of this year"


@pytest.fixture
def keys(monkeypatch):
    """Sets TASKFLOW_KEYS."""
    monkeypatch.delenv("TASKFLOW_KEYS", raising=False)

    def give(*given):
        monkeypatch.setenv("TASKFLOW_KEYS", ",".join(given))

    return give


def fill(place, key, count):
    asyncio.run(_fill(place, key, count))


async def _fill(place, key, count):
    task_manager = TaskManager(
        snapshot_db=place.folder / "tasks.db", roles=["enqueue"], encrypt_args_key=key
    )

    def add(_one: int, _two: int) -> None: ...

    task_manager.task(persist=True)(add)
    async with task_manager:
        await asyncio.gather(*(task_manager.enqueue(add, n, n) for n in range(count)))


def answer(replaced, unopened=0, clear=0):
    return {"replaced": replaced, "overtaken": 0, "unopened": unopened, "clear": clear}


@pytest.mark.quick
def test_afterwards_the_new_key_alone_opens_everything(place, keys):
    fill(place, OLD, 3)
    keys(NEW, OLD)

    first = place.run("rotate-keys", "--json")
    keys(NEW)
    second = place.run("rotate-keys", "--json")

    assert (first.code, first.json) == (0, answer(3))
    assert (second.code, second.json) == (0, answer(0))


def test_what_no_key_opens_ends_with_1_and_stays(place, keys):
    fill(place, OLD, 2)
    keys(NEW)

    lacking = place.run("rotate-keys", "--json")
    told = place.run("rotate-keys")
    keys(NEW, OLD)

    assert (lacking.code, lacking.json) == (1, answer(0, unopened=2))
    assert (told.code, "2 values could not be opened" in told.out) == (1, True)
    assert place.run("rotate-keys", "--json").json == answer(2)


def test_what_was_never_encrypted_is_sealed_only_if_told(place, keys):
    fill(place, None, 2)
    fill(place, OLD, 1)
    keys(NEW, OLD)

    left = place.run("rotate-keys")
    refused = place.run("rotate-keys", "--leave-clear", "--json")
    sealed = place.run("rotate-keys", "--seal-clear", "--json")

    assert (left.code, "--seal-clear" in left.out) == (0, True)
    assert refused.json == answer(0, clear=2)
    assert sealed.json == answer(2)


@pytest.mark.parametrize(("said", "replaced"), [("n", 0), ("y", 2)])
def test_on_a_terminal_it_is_asked_once(place, keys, said, replaced):
    fill(place, None, 2)
    keys(NEW)

    told = place.on_terminal("rotate-keys", answer=said, prompt="Seal it too?")
    keys(NEW)
    left = place.run("rotate-keys", "--json").json

    assert told.count("Seal it too?") == 1
    assert left == answer(0, clear=2 - replaced)


def test_keys_come_from_a_file(place, keys):
    fill(place, OLD, 1)
    (place.folder / "keys").write_text(f"{NEW}\n\n{OLD}\n")

    done = place.run("rotate-keys", "--key-file", "keys")

    assert (done.code, done.out) == (0, "1 value sealed under the newest key\n")
    keys(NEW)
    assert place.run("rotate-keys", "--json").json == answer(0)


def test_store_and_keys_come_from_the_app(place, keys):
    fill(place, OLD, 1)
    settings = f'snapshot_db="tasks.db", encrypt_args_key=["{NEW}", "{OLD}"]'
    path = place.folder / "main.py"
    path.write_text(path.read_text().replace('snapshot_db="tasks.db"', settings))

    done = place.run("rotate-keys", "--app", "main:app", "--json", store=None)

    assert (done.code, done.json) == (0, answer(1))


def test_killed_it_goes_on_at_the_cursor_or_begins_again(place, keys):
    fill(place, OLD, 4000)
    keys(NEW, OLD)
    process = subprocess.Popen(
        [COMMAND, "rotate-keys", "--store", "sqlite:///tasks.db"],
        cwd=place.folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        line = process.stderr.readline()
        process.send_signal(signal.SIGKILL)
    cursor = line.split("--cursor ")[1].strip()

    rest = place.run("rotate-keys", "--cursor", cursor, "--json")
    keys(NEW)
    whole = place.run("rotate-keys", "--json")

    assert process.returncode == -signal.SIGKILL
    assert rest.code == 0
    assert 0 < rest.json["replaced"] < 4000
    assert (whole.code, whole.json) == (0, answer(0))


def test_it_is_in_the_audit(place, keys):
    fill(place, OLD, 1)
    keys(NEW, OLD)
    place.run("rotate-keys")

    connection = sqlite3.connect(place.folder / "tasks.db")
    ((action, actor),) = connection.execute("SELECT action, actor FROM taskflow_audit").fetchall()
    connection.close()

    assert action == "rotate_keys"
    assert actor.startswith("cli")


@pytest.mark.parametrize(
    ("given", "arguments", "words"),
    [
        ((), (), "TASKFLOW_KEYS"),
        (("short",), (), "at least 16"),
        ((), ("--key-file", "nowhere"), "--key-file"),
        ((), ("--key-file", "main.py", "--app", "main:app"), "--app"),
        ((NEW,), ("--cursor", "nix"), "--cursor"),
        ((NEW,), ("--cursor", "9" * 30), "--cursor"),
    ],
)
def test_wrong_usage_ends_with_2_and_tells_no_key(place, keys, given, arguments, words):
    fill(place, OLD, 1)
    keys(*given)

    done = place.run("rotate-keys", *arguments)

    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "short" not in done.err
    assert NEW not in done.err
