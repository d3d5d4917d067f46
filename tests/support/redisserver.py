"""Stores of the tests' own on the Redis that runs here, or is named in the environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import redis

VARIABLE = "TASKFLOW_TEST_REDIS_URL"
_DEFAULT = "redis://127.0.0.1:6379/0"
_START_SECONDS = 60.0
_PLACES = "/usr/sbin:/usr/bin:/usr/local/bin"


class TestRedis:
    """A server, and a prefix that only this process uses.

    Attributes:
        url: The server's address.
        prefix: Of all keys of the stores here; each may be another one that begins so.
    """

    __test__ = False

    def __init__(self) -> None:
        self.url = os.environ.get(VARIABLE) or _DEFAULT
        self.prefix = f"taskflow_test_{os.getpid()}_{uuid4().hex[:8]}"
        self.client = redis.Redis.from_url(self.url)

    def keys(self, prefix: str | None = None) -> list[bytes]:
        """All that are there of one store, or of all stores here."""
        pattern = f"{{{self.prefix}*" if prefix is None else f"{{{prefix}}}:*"
        return sorted(self.client.scan_iter(match=pattern, count=1000))

    def empty(self) -> None:
        """Delete all keys of the stores here, so that they are as good as new."""
        if keys := self.keys():
            self.client.unlink(*keys)

    def await_answer(self) -> None:
        """Wait for it; it is started if it is installed and down."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.client.ping()
                return
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise
                start_redis()
                time.sleep(0.2)


@contextmanager
def redis_server() -> Iterator[TestRedis]:
    """Stores on the server, which is started if it is installed and down."""
    made = TestRedis()
    made.await_answer()
    try:
        yield made
    finally:
        made.empty()
        made.client.close()


def start_redis() -> None:
    """Start an installed server on its standard port, unless the environment names another."""
    server = shutil.which("redis-server", path=_PLACES)
    if server and not os.environ.get(VARIABLE):
        options = ["--daemonize", "yes", "--save", "", "--bind", "127.0.0.1"]
        subprocess.run([server, *options], check=False, capture_output=True)
