"""Database servers of the harness's own, on free ports: to be stopped, killed and filled.

PostgreSQL, MariaDB and Redis as they are installed. With each of them a commit is on the disk
before it is answered.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from sqlalchemy.exc import DBAPIError

from trust.ownserver import OwnServer, keeper
from trust.ownstores import NAMES, ask

__all__ = ["KINDS", "USER", "OwnRedis", "own_server", "serving"]

USER = "app"
"""Of MariaDB, beside root: may do all in the stores of `own_store`."""

# Where distributions put what is not for everybody's path.
_PLACES = ("/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/lib/postgresql/*/bin")


class OwnPostgres(OwnServer):
    """PostgreSQL."""

    user = "postgres"
    # All of its processes end at once, and it recovers from its log. (Its children would outlive
    # a first process that is killed.)
    crash, end = signal.SIGQUIT, signal.SIGINT

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        data = str(self.folder / "data")
        self.run(_found("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")

    def command(self) -> Sequence[str]:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            "log_lock_waits": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [_found("postgres"), "-D", str(self.folder / "data"), *options]

    def answers(self) -> bool:
        return _selects(self.url, "SELECT 1")


class OwnMariaDB(OwnServer):
    """MariaDB."""

    user = "mysql"

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/mysql"

    def make(self) -> None:
        self.run(
            _found("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def command(self) -> Sequence[str]:
        return [
            _found("mariadbd"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--port={self.port}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            "--bind-address=127.0.0.1",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=16M",
        ]

    def answers(self) -> bool:
        made = f"CREATE USER IF NOT EXISTS {USER}@'127.0.0.1'"
        # Not those of a server's owner, whom nothing is refused.
        granted = f"GRANT ALL ON `{NAMES}%%`.* TO {USER}@'127.0.0.1'"
        return _selects(self.url, made, granted, "SELECT 1")


class OwnRedis(OwnServer):
    """Redis, with a log of all writes that is synced before each answer."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def make(self) -> None:
        pass

    def command(self) -> Sequence[str]:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }
        return [
            _found("redis-server"),
            *[part for name, value in options.items() for part in (f"--{name}", value)],
        ]

    def answers(self) -> bool:
        with suppress(redis.RedisError):
            return bool(self.ask("PING"))
        return False

    def ask(self, *command: str | int) -> str:
        """What it answers to a command, as text."""
        with redis.Redis.from_url(self.url) as client:
            found: Any = client.execute_command(*command)
        return found.decode() if isinstance(found, bytes) else str(found)

    @contextmanager
    def filled(self) -> Iterator[None]:
        """It has no room for anything in the block."""
        self.ask("CONFIG", "SET", "maxmemory", 1)
        try:
            yield
        finally:
            self.ask("CONFIG", "SET", "maxmemory", 0)


_SERVERS: dict[str, type[OwnServer]] = {
    "postgresql": OwnPostgres,
    "mysql": OwnMariaDB,
    "redis": OwnRedis,
}
KINDS = ("sqlite", *_SERVERS)
"""What a harness may be told instead of an address."""


@contextmanager
def own_server(kind: str, *options: str) -> Iterator[OwnServer]:
    """A server that runs, with options of its command line, for the time of the block."""
    folder, made = Path(tempfile.mkdtemp(prefix="taskflow-server-")), _SERVERS[kind]
    with keeper(folder, made.crash):
        server = made(folder, *options)
        try:
            yield server.start()
        finally:
            server.stop()


@contextmanager
def serving(backend: str) -> Iterator[str]:
    """The address of a server: an own one if it is told by its kind; ``sqlite`` needs none."""
    if backend in _SERVERS:
        with own_server(backend) as server:
            yield server.url
    else:
        yield backend


def _found(program: str) -> str:
    places = [str(one) for place in _PLACES for one in sorted(Path("/").glob(place[1:]))]
    found = shutil.which(program) or shutil.which(program, path=os.pathsep.join(places))
    assert found is not None, f"{program} is not installed"
    return found


def _selects(url: str, *statements: str) -> bool:
    try:
        return asyncio.run(ask(url, *statements)) == [(1,)]
    except (DBAPIError, OSError):
        return False
