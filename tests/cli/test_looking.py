"""Commands that only look leave everything as it is: no file is made, none is changed."""

import shutil
import sqlite3
from pathlib import Path

import pytest

LOOKS = (
    ("doctor",),
    ("tasks", "list"),
    ("tasks", "show", "00000000-0000-0000-0000-000000000000"),
    ("queues", "list"),
    ("functions",),
    ("instances",),
)
ACTS = (
    ("tasks", "cancel", "00000000-0000-0000-0000-000000000000"),
    ("tasks", "purge", "--older-than", "1d", "--yes"),
    ("queues", "pause", "default"),
)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files by name, with what would tell of a write; not SQLite's shared memory."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".db-shm" and "__pycache__" not in path.parts
    }


@pytest.mark.quick
@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_look_at_a_stopped_store_changes_nothing(place, look):
    place.enqueue("add", 1, 2)
    before = contents(place.folder)

    ended = place.run(*look)

    assert ended.code in (0, 1)
    assert contents(place.folder) == before
    assert not (place.folder / "tasks.db-wal").exists()


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_look_at_what_a_crash_left_changes_nothing(place, look):
    place.enqueue("add", 1, 2)
    other = sqlite3.connect(place.folder / "tasks.db")
    other.execute("UPDATE taskflow_tasks SET priority = 7")
    other.commit()
    crashed = place.folder / "crashed"
    crashed.mkdir()
    for path in place.folder.glob("tasks.db*"):
        (shutil.copytree if path.is_dir() else shutil.copy)(path, crashed / path.name)
    other.close()
    before = contents(crashed)
    assert "tasks.db-wal" in before

    place.run(*look, "--store", "sqlite:///crashed/tasks.db")

    assert contents(crashed) == before
    assert (crashed / "tasks.db-shm").exists()


@pytest.mark.parametrize("command", [*LOOKS, *ACTS], ids=" ".join)
@pytest.mark.parametrize("name", ["missing.db", "no/such/folder/tasks.db"])
def test_a_store_that_is_not_there_is_named_in_one_line_and_not_made(place, command, name):
    before = set(place.folder.iterdir())

    ended = place.run(*command, "--store", f"sqlite:///{name}")

    assert ended.code != 0
    said = (ended.out + ended.err).strip().splitlines()
    assert name in said[0]
    if command != ("doctor",):  # which has a table of findings
        assert len(said) == 1
    assert set(place.folder.iterdir()) == before
