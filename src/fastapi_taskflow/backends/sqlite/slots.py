"""A place for one connection, which another thread may have to close."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress

__all__ = ["Slot"]


class Slot:
    """Whoever uses the connection holds ``mutex``, or is the writer, whose slot none drops."""

    __slots__ = ("connection", "mutex")

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Disconnect; the mutex is held."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def drop(self) -> None:
        """Disconnect from another thread; what it reads now ends as an outage."""
        if not self.mutex.acquire(blocking=False):
            connection = self.connection
            if connection is not None:
                # Not one at rest: that would keep SQLite from writing its log back.
                with suppress(sqlite3.Error):  # it was closed a moment ago
                    connection.interrupt()
            self.mutex.acquire()
        try:
            self.close()
        finally:
            self.mutex.release()
