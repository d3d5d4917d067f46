"""Backends on one file, closed at the end, and other processes on the same file."""

import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow.backends.sqlite import SqliteBackend

Opener = Callable[..., Awaitable[SqliteBackend]]
Spawner = Callable[..., subprocess.Popen[str]]


async def gone(backend: SqliteBackend) -> set[str]:
    """Ids of the instances that are proven dead."""
    peers = (await backend.signals("")).peers
    return {peer.info.instance_id for peer in peers if peer.gone}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "tasks.db")


@pytest.fixture
async def open_backend(path: str) -> AsyncIterator[Opener]:
    """Opens backends on the test's file; they are closed at its end."""
    async with AsyncExitStack() as stack:

        async def open_one(
            on_change: Callable[[], None] = lambda: None, **settings: Any
        ) -> SqliteBackend:
            backend = SqliteBackend(path, **settings)
            await backend.open(on_change)
            stack.push_async_callback(backend.close)
            return backend

        yield open_one


@pytest.fixture
async def backend(open_backend: Opener) -> SqliteBackend:
    return await open_backend()


@pytest.fixture
def spawn(path: str) -> Iterator[Spawner]:
    """Starts another process with the test's file as its argument; waits for its first line."""
    children: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), path, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()
