"""Where a store may be, and what its file looks like."""
# ruff: noqa: ASYNC240  (a test may block its own loop)

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.backends.sqlite.filesystems import check_place, mount_of
from fastapi_taskflow.exceptions import ConfigurationError, StoreUnavailable
from fastapi_taskflow.testing.conformance.harness import accept, task
from tests.sqlite.conftest import Opener

MOUNTS = r"""
21 26 0:20 / /proc rw,nosuid - proc proc rw
26 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 26 0:40 / /srv/data rw - nfs4 server:/export rw
41 26 0:41 / /srv/data/local rw - xfs /dev/vdb rw
42 26 0:42 / /mnt/with\040space rw - fuse.sshfs host:/ rw
43 26 0:43 / /mnt/c rw - 9p drvfs rw
44 26 0:44 / /mnt/share rw master:3 propagate_from:2 - cifs //server/share rw
45 26 0:45 / /mnt/ntfs rw - fuseblk /dev/sdb1 rw
46 26 0:46 / /over rw - ext4 /dev/vdc rw
47 46 0:47 / /over rw - virtiofs host rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/user/tasks.db", "ext4"),
        ("/srv/data/tasks.db", "nfs4"),
        ("/srv/database/tasks.db", "ext4"),
        ("/srv/data/local/tasks.db", "xfs"),
        ("/mnt/with space/tasks.db", "fuse.sshfs"),
        ("/mnt/c/tasks.db", "9p"),
        ("/mnt/share/deep/down/tasks.db", "cifs"),
        ("/mnt/ntfs/tasks.db", "fuseblk"),
        ("/over/tasks.db", "virtiofs"),
    ],
)
def test_the_file_system_is_that_of_the_innermost_mount(path: str, kind: str):
    mount = mount_of(path, MOUNTS)
    assert mount is not None
    assert mount.kind == kind


@pytest.mark.parametrize("place", ["/srv/data", "/mnt/with space", "/mnt/c", "/mnt/share", "/over"])
def test_network_file_systems_are_refused_with_advice(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.replace(place.replace(" ", r"\040") + " ", f"{tmp_path} "))
    monkeypatch.setattr("fastapi_taskflow.backends.sqlite.filesystems._MOUNTS", mounts)

    with pytest.raises(ConfigurationError, match="local disk"):
        check_place(str(tmp_path / "tasks.db"))


def test_local_file_systems_are_taken(tmp_path: Path):
    check_place(str(tmp_path / "tasks.db"))


async def test_a_file_with_a_second_hard_link_is_refused_with_advice(tmp_path: Path):
    path, other = tmp_path / "tasks.db", tmp_path / "other.db"
    path.touch()
    other.hardlink_to(path)

    for name in (path, other):
        with pytest.raises(ConfigurationError, match=r"2 hard links.*Leave one name"):
            await SqliteBackend(str(name)).open(lambda: None)
    # Nothing was written beside either.
    assert sorted(tmp_path.iterdir()) == [other, path]
    other.unlink()
    backend = SqliteBackend(str(path))
    await backend.open(lambda: None)
    await backend.close()


async def test_a_file_that_is_a_mount_point_is_refused_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "tasks.db"
    path.touch()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"{MOUNTS}50 26 253:0 /x.db {path} rw - ext4 /dev/vda rw\n")
    monkeypatch.setattr("fastapi_taskflow.backends.sqlite.filesystems._MOUNTS", mounts)

    with pytest.raises(ConfigurationError, match=rf"single file.*-v tasks:{tmp_path}"):
        await SqliteBackend(str(path)).open(lambda: None)
    beside = SqliteBackend(str(tmp_path / "beside.db"))
    await beside.open(lambda: None)
    await beside.close()


async def test_a_symbolic_link_is_the_file_that_it_leads_to(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "tasks.db"
    link.symlink_to(tmp_path / "real" / "store.db")
    one, two = SqliteBackend(str(link)), SqliteBackend(str(tmp_path / "real" / "store.db"))

    await one.open(lambda: None)
    await two.open(lambda: None)
    await accept(one, task())

    assert sum(cell.rows for cell in await two.tally()) == 1
    await one.close()
    await two.close()
    assert list((tmp_path / "links").iterdir()) == [link]


async def test_a_missing_directory_is_named(tmp_path: Path):
    backend = SqliteBackend(str(tmp_path / "missing" / "tasks.db"))

    with pytest.raises(ConfigurationError, match="missing"):
        await backend.open(lambda: None)
    await backend.close()


async def test_a_directory_is_no_database(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="is a directory"):
        await SqliteBackend(str(tmp_path)).open(lambda: None)


@pytest.mark.parametrize("path", [":memory:", "", "file:tasks.db?mode=memory"])
def test_memory_databases_are_refused_and_the_way_is_named(path: str):
    with pytest.raises(ConfigurationError, match="MemoryBackend"):
        SqliteBackend(path)


@pytest.mark.parametrize("prefix", ["", "1a", "a-b", "a;--", "sqlite_x", "a" * 41, 'a"', "ä"])
def test_a_prefix_that_cannot_name_tables_is_refused(prefix: str):
    with pytest.raises(ConfigurationError, match="table_prefix"):
        SqliteBackend("tasks.db", table_prefix=prefix)


def test_an_unknown_synchronous_mode_is_refused():
    with pytest.raises(ConfigurationError, match="OFF"):
        SqliteBackend("tasks.db", synchronous="OFF")


def test_construction_touches_no_disk(tmp_path: Path):
    SqliteBackend(str(tmp_path / "tasks.db"))

    assert list(tmp_path.iterdir()) == []


async def test_a_new_database_is_for_its_owner_only(backend: SqliteBackend, path: str):
    await accept(backend, task())

    modes = {stat.S_IMODE(file.stat().st_mode) for file in (Path(path), Path(path + "-wal"))}
    assert modes == {0o600}


async def test_a_path_with_special_characters_is_a_plain_path(tmp_path: Path):
    place = tmp_path / "a b?c#d%20ü.db"
    backend = SqliteBackend(str(place))
    await backend.open(lambda: None)
    await accept(backend, task())
    await backend.close()

    assert place.stat().st_size > 0
    assert len(SqliteBackend(str(place)).query()) == 1


async def test_a_later_change_of_directory_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    backend = SqliteBackend("tasks.db")
    await backend.open(lambda: None)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    await accept(backend, task())

    assert len((await backend.search(Query(), limit=5)).tasks) == 1
    await backend.close()
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_tables_of_a_later_release_are_refused(backend: SqliteBackend, path: str):
    await backend.close()
    with sqlite3.connect(path) as other:
        other.execute("INSERT INTO taskflow_schema VALUES (999)")
    other.close()

    with pytest.raises(ConfigurationError, match="version 999"):
        await backend.open(lambda: None)


async def test_stores_with_different_prefixes_share_a_file(open_backend: Opener):
    one, two = await open_backend(), await open_backend(table_prefix="Other_1")

    await accept(one, task())

    assert await two.tally() == []
    assert len(await one.tally()) == 1


async def test_tables_of_the_application_are_left_alone(path: str, open_backend: Opener):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE tasks (id)")
        other.execute("INSERT INTO tasks VALUES (1)")
    other.close()

    await accept(await open_backend(), task())

    with sqlite3.connect(path) as other:
        assert other.execute("SELECT * FROM tasks").fetchall() == [(1,)]
    other.close()


async def test_something_else_than_a_database_is_an_outage_that_says_so(path: str):
    Path(path).write_bytes(b"no database at all" * 100)

    with pytest.raises(StoreUnavailable, match="not an SQLite database"):
        await SqliteBackend(path).open(lambda: None)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(os.devnull)])
async def test_a_store_is_no_pipe_and_no_device(make: Callable[[Path], None], tmp_path: Path):
    place = tmp_path / "tasks.db"
    make(place)

    with pytest.raises(ConfigurationError, match="a pipe, a socket or a device"):
        await SqliteBackend(str(place)).open(lambda: None)
