"""Readers: threads with connections of their own, so that a read never waits for a write.

In WAL mode a reader sees all that was committed before it began, also what this process
has committed a moment ago on the writer's connection.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from fastapi_taskflow.backends.sqlite.connections import Database
from fastapi_taskflow.backends.sqlite.faults import loses_connection, public
from fastapi_taskflow.backends.sqlite.files import Files
from fastapi_taskflow.backends.sqlite.jobs import answer
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["Reader"]

T = TypeVar("T")

_CHECK_SECONDS = 0.05

_Call = tuple[Callable[..., Any], tuple[Any, ...], asyncio.Future[Any]]


class Reader:
    """Runs reads in a daemon thread until `stop`, one after the other."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files
        self._slot = files.slot()
        self._checked_at = float("-inf")
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._accepting = True
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._thread = threading.Thread(
            target=self._run, name="taskflow sqlite reader", daemon=True
        )
        self._thread.start()

    async def read(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call ``function(session, *arguments)`` in one read transaction.

        Raises:
            StoreUnavailable: the store does not answer, or is closed.
        """
        if not self._accepting:
            raise StoreUnavailable("The task store is closed.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put((function, arguments, future))
        return await future

    def end(self) -> None:
        """Let the thread finish what is queued and disconnect."""
        self._accepting = False
        self._calls.put(None)

    async def stop(self) -> None:
        """Finish what is queued and disconnect."""
        self.end()
        await asyncio.shield(self._stopped)
        self._thread.join()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            function, arguments, future = call
            result, error = None, None
            try:
                with self._slot.mutex:
                    result = self._call(self._ready(), function, arguments)
            except Exception as exc:  # handed to the one who waits for it
                error = public(exc, self._database.path)
                # Of our own errors only `Files` raises one here.
                if isinstance(exc, StoreUnavailable) or loses_connection(exc):
                    self._slot.drop()
            with suppress(RuntimeError):  # the loop was closed
                future.get_loop().call_soon_threadsafe(answer, future, result, error)
        self._slot.drop()
        with suppress(RuntimeError):  # the loop was closed
            self._stopped.get_loop().call_soon_threadsafe(answer, self._stopped, None, None)

    def _ready(self) -> sqlite3.Connection:
        slot, now = self._slot, time.monotonic()
        if slot.connection is None:
            slot.connection = self._files.join(self._database.reader)
        elif now - self._checked_at > _CHECK_SECONDS:
            self._files.check()
        else:
            return slot.connection
        self._checked_at = now
        return slot.connection

    def _call(
        self,
        connection: sqlite3.Connection,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> Any:
        connection.execute("BEGIN")
        session = Session(connection, self._database.texts)
        try:
            return function(session, *arguments)
        finally:
            session.close()
            if connection.in_transaction:
                connection.execute("COMMIT")
