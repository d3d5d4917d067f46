"""A disk that gets full under an app with work in hand, in several ways (TRUST, R13).

``pages``: the database may not grow (SQLITE_FULL). ``tmpfs``: a small file system is filled
up to its last byte (SQLITE_FULL); this needs ``unshare -Urm``. ``rlimit``: no file may grow
(SQLITE_IOERR_WRITE). ``postgresql``, ``mysql``: a server on a small file system, which is filled
up to its last byte; this needs root, who may ``unshare -m``.

Each way in a process of its own, see `trust.fullsite`. It shows what happens to one app, not
what a broken disk does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi_taskflow.backends.sqlite.connections import Database
from trust.fullsite import through
from trust.ownserver import OwnServer
from trust.ownstores import own_store
from trust.servers import own_server

__all__ = ["SERVERS", "WAYS", "can_mount", "run"]

WAYS = ("pages", "tmpfs", "rlimit")
"""Of a file."""

SERVERS = ("postgresql", "mysql")
"""Kinds whose server's disk gets full."""

_ALL = (*WAYS, *SERVERS)
# Of the small file system: who mounts it, and how much it holds.
_UNSHARE = {"tmpfs": ["unshare", "-Urm"], **{one: ["unshare", "-m"] for one in SERVERS}}
_MOUNT = 'mount -t tmpfs -o size=256m tmpfs "$1" && chmod 755 "$1" && shift && exec "$@"'
_ROOT = Path(__file__).parent.parent
# What new tasks may still take of a server's disk.
_LAST_BYTES = 256 * 2**10
_TIMEOUT_SECONDS = 280.0


def can_mount(way: str) -> bool:
    """This user may have the file system of its own that a way needs, if any."""
    if way not in _UNSHARE:
        return True
    if way in SERVERS and os.geteuid() != 0:
        return False
    try:
        command = [*_UNSHARE[way], "true"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def run(way: str) -> dict[str, Any]:
    """Fill the disk in one way; the figures, in which ``faults`` should be empty."""
    with TemporaryDirectory(prefix="taskflow-full-") as place:
        command = [sys.executable, "-m", "trust.diskfull", "--inside", way, place]
        if way in _UNSHARE:
            command = [*_UNSHARE[way], "sh", "-c", _MOUNT, "sh", place, *command]
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd=_ROOT,
            timeout=_TIMEOUT_SECONDS,
            # Servers keep what they have there, too.
            env={**os.environ, "TMPDIR": place},
        )
        try:
            figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            return {"way": way, "faults": [done.stderr[-2000:] or "no answer"]}
        return figures


def _fill(filler: Path, bytes_left: int) -> None:
    """Make a file as long as leaves so many bytes to others."""
    found = os.statvfs(filler.parent)
    with filler.open("ab") as file:
        file.write(bytes(max(0, found.f_bavail * found.f_frsize - bytes_left)))


class FileDisk:
    """How a file's disk gets full, and gets room again."""

    def __init__(self, way: str, path: Path) -> None:
        self._way = way
        self._path = path
        self._filler = path.parent / "filler"
        self._pages: int | None = None

    def watch(self) -> None:
        """Before the store is opened: let each of its connections know its limit."""
        if self._way != "pages":
            return
        original = Database.writer

        def writer(database: Database, **options: Any) -> sqlite3.Connection:
            connection = original(database, **options)
            self._connections.append(connection)
            return connection

        self._connections: list[sqlite3.Connection] = []
        Database.writer = writer  # type: ignore[assignment, method-assign]

    def nearly(self) -> None:
        """So full that new tasks find no room, and the ends of old ones still do, if any do."""
        match self._way:
            case "pages":
                for connection in self._connections:
                    (pages,) = connection.execute("PRAGMA page_count").fetchone()
                    connection.execute(f"PRAGMA max_page_count = {pages + 30}")
            case "tmpfs":
                _fill(self._filler, 32 * 2**20)
            case _:
                size = max(each.stat().st_size for each in self._path.parent.glob("tasks.db*"))
                limit = (size + 200_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
                resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    def wholly(self) -> None:
        """Not a byte is left."""
        if self._way == "tmpfs":
            _fill(self._filler, 0)

    def room(self) -> None:
        """Somebody has cleaned up."""
        match self._way:
            case "pages":
                for connection in self._connections:
                    connection.execute("PRAGMA max_page_count = 1000000")
            case "tmpfs":
                self._filler.unlink()
            case _:
                hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
                resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


class ServerDisk:
    """A server's. Its log of changes is there, too: at its last byte the server may end."""

    def __init__(self, server: OwnServer, place: Path) -> None:
        self._server = server
        self._filler = place / "filler"

    def nearly(self) -> None:
        _fill(self._filler, _LAST_BYTES)

    def wholly(self) -> None:
        _fill(self._filler, 0)

    def room(self) -> None:
        self._filler.unlink()
        # As whoever looks after it would, if it has ended.
        self._server.start()


def inside(way: str, place: Path) -> dict[str, Any]:
    """Fill the disk of this place."""
    if way in SERVERS:
        with own_server(way) as server, own_store(server.url, place) as store:
            return asyncio.run(through(way, store, ServerDisk(server, place)))
    path = place / "tasks.db"
    disk = FileDisk(way, path)
    disk.watch()
    figures = asyncio.run(through(way, str(path), disk))
    with closing(sqlite3.connect(path)) as connection:
        told = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    return figures | {"faults": figures["faults"] + [one for one in told if one != "ok"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", default=[], help=f"of {', '.join(_ALL)}; all if none")
    parser.add_argument("--inside", nargs=2, metavar=("WAY", "PLACE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        logging.basicConfig(level=logging.WARNING)
        way, place = options.inside
        print(json.dumps(inside(way, Path(place))))
        return
    failed = False
    for way in options.ways or _ALL:
        if not can_mount(way):
            print(f"{way}: left out, `{' '.join(_UNSHARE[way])}` is not permitted here")
            continue
        figures = run(way)
        failed |= bool(figures["faults"])
        print(json.dumps(figures))
    sys.exit(failed)


if __name__ == "__main__":
    main()
