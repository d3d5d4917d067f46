"""Files of earlier versions become what a new one is, and keep what is in them.

``files/`` has one of each version, as text (`sqlite3.Connection.iterdump`), written by the
library as it was then. They are never edited: what they hold is in users' files.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fastapi_taskflow.backends.buckets import Bucket
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.backends.sqlite.schema import VERSION
from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.models import TaskStatus
from fastapi_taskflow.testing.conformance.harness import find

FILES = sorted(
    Path(__file__).with_name("files").glob("version-*.sql"),
    key=lambda file: int(file.stem.removeprefix("version-")),
)
DONE, FAILED, WAITING, ALIAS = (f"018f0000-0000-7000-8000-{n:012x}" for n in (1, 2, 3, 4))

every_version = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def restore(file: Path, path: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(file.read_text())


async def opened_once(path: str) -> None:
    backend = SqliteBackend(path)
    await backend.open(lambda: None)
    await backend.close()


def schema(path: str) -> dict[str, str]:
    """Statements by the name of what they make; how they are laid out does not matter."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: re.sub(r"\s+", " ", sql) for name, sql in rows}


def test_every_version_has_its_file():
    assert [file.stem for file in FILES] == [f"version-{n}" for n in range(1, VERSION + 1)]


@every_version
async def test_it_gets_the_tables_and_indexes_of_a_new_one(file, path, tmp_path):
    restore(file, path)
    new = str(tmp_path / "new.db")

    await opened_once(path)
    await opened_once(new)

    assert schema(path) == schema(new)


@every_version
async def test_it_keeps_its_tasks(file, path, open_backend):
    restore(file, path)

    backend = await open_backend()

    done, failed, waiting = [await find(backend, one) for one in (DONE, FAILED, WAITING)]
    assert (done.record.status, done.record.logs) == (TaskStatus.SUCCESS, ["one", "two"])
    assert done.record.tags == {"k": "v"}
    assert (failed.record.status, failed.record.error) == (TaskStatus.FAILED, "E: second")
    assert [one.error for one in await backend.attempts(FAILED)] == ["E: first"]
    assert (waiting.record.status, waiting.payload) == (TaskStatus.PENDING, b"payload")
    assert (await find(backend, ALIAS)).record.duplicate_of == DONE
    assert [one.actor for one in (await backend.audit(limit=9))[0]] == ["ann"]


@every_version
async def test_people_can_sign_in_with_it(file, path, open_backend):
    restore(file, path)
    backend = await open_backend()

    await backend.sign_in.open_session("hash", "ann", "viewer", life=60, idle=60)

    assert (await backend.sign_in.find_session("hash", idle=60)) is not None
    assert await backend.sign_in.take_tokens([Bucket("bucket", 1, 60.0)]) == 0
    assert await backend.sign_in.take_tokens([Bucket("bucket", 1, 60.0)]) > 0


@every_version
async def test_opening_it_again_changes_nothing(file, path):
    restore(file, path)
    await opened_once(path)
    before = schema(path)

    await opened_once(path)

    assert schema(path) == before


async def test_a_file_of_a_later_version_is_left_alone(path):
    await opened_once(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO taskflow_schema VALUES (?)", (VERSION + 1,))

    with pytest.raises(ConfigurationError, match="Upgrade the library"):
        await SqliteBackend(path).open(lambda: None)
