"""Heartbeats: written from the engine's own thread, past the writer's queue.

A busy or stuck writer must not make its instance look dead, so a beat has a connection and
a place in the line for the write lock of its own. It is not synced to disk: liveness need
not survive a power failure.
"""

from __future__ import annotations

import sqlite3
import threading

from fastapi_taskflow.backends.sqlite.connections import WRITE_SECONDS, Database
from fastapi_taskflow.backends.sqlite.disk import Disk
from fastapi_taskflow.backends.sqlite.faults import loses_connection, translated
from fastapi_taskflow.backends.sqlite.files import Files
from fastapi_taskflow.backends.sqlite.fleet import BEAT, SHOWN
from fastapi_taskflow.backends.sqlite.lockfiles import store_directory
from fastapi_taskflow.backends.sqlite.locks import WriteLock
from fastapi_taskflow.backends.sqlite.transactions import writing
from fastapi_taskflow.words.clock import SteadyClock
from fastapi_taskflow.words.errors import StoreFull, StoreUnavailable

__all__ = ["Heartbeat"]

State = tuple[float, int, bool]
"""Lag, what runs, whether it drains."""


class Heartbeat:
    """The connection that beats; callable from any thread, until it is closed."""

    def __init__(self, database: Database, files: Files, clock: SteadyClock) -> None:
        self._database = database
        self._files = files
        self._slot = files.slot()
        self._clock = clock
        self._disk = Disk(store_directory(database.path))
        self._lock = WriteLock(store_directory(database.path))
        # Protects all below, and that a beat and `close` do not meet.
        self._mutex = threading.Lock()
        self._closed = False

    def beat(self, instance: str, state: State) -> bool:
        """One more on the instance's counter; False if it is not alive.

        Raises:
            StoreUnavailable: it could not be written within two seconds.
        """
        with self._mutex:
            if self._closed:
                raise StoreUnavailable("The task store is closed.")
            try:
                return self._write(instance, state)
            except StoreFull:
                if not self._disk.release_reserve():
                    raise
                return self._write(instance, state)

    def close(self) -> None:
        """Disconnect. Waits for a beat that is under way. Idempotent."""
        with self._mutex:
            self._closed = True
            self._slot.drop()
            self._lock.close()

    def _write(self, instance: str, state: State) -> bool:
        try:
            # In this order: the writer drops the slot while it holds the lock.
            with self._lock.held(WRITE_SECONDS), self._slot.mutex:
                return self._beat(self._ready(), instance, state)
        except (sqlite3.Error, OSError) as exc:
            if loses_connection(exc):
                self._slot.drop()
            raise translated(exc, self._database.path) from exc

    def _ready(self) -> sqlite3.Connection:
        slot = self._slot
        if slot.connection is None:
            slot.connection = self._files.join(self._connect)
        self._files.check()
        return slot.connection

    def _connect(self) -> sqlite3.Connection:
        return self._database.writer(synchronous="NORMAL")

    def _beat(self, connection: sqlite3.Connection, instance: str, state: State) -> bool:
        texts = self._database.texts
        with writing(connection):
            alive = bool(connection.execute(texts[BEAT], (*state, instance)).fetchall())
            connection.execute(texts[SHOWN], (self._clock.micros(),))
        return alive
