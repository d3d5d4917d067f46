"""A backend's handle to its store: opened and closed, with a way in for every verb."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Concatenate, Literal, ParamSpec, TypeVar

from fastapi_taskflow.backends.sqlite.connections import Database
from fastapi_taskflow.backends.sqlite.jobs import Job
from fastapi_taskflow.backends.sqlite.statements import Texts, checked_prefix
from fastapi_taskflow.backends.sqlite.stores import Store
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.clock import Clock, SteadyClock
from fastapi_taskflow.words.errors import ConfigurationError, StoreUnavailable
from fastapi_taskflow.words.quoting import quoted

__all__ = ["Handle"]

P = ParamSpec("P")
T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")


class Handle:
    """One store, which is open or not.

    Raises:
        ConfigurationError: an argument cannot work. Places are checked by `open`.
    """

    def __init__(
        self,
        db_path: str | os.PathLike[str],
        synchronous: Literal["FULL", "NORMAL"],
        clock: Clock,
        table_prefix: str,
    ) -> None:
        path = os.fspath(db_path) if isinstance(db_path, str | os.PathLike) else db_path
        if not isinstance(path, str) or "\0" in path:
            raise limits.wrong("SqliteBackend", "the path of a file", db_path)
        if path in ("", ":memory:") or path.startswith("file:"):
            raise ConfigurationError(
                f"SqliteBackend takes the path of a file, got {quoted(path)}. Use MemoryBackend "
                "for tasks in memory."
            )
        if "://" in path:
            # No more of it: it may hold a password.
            scheme = path.partition("://")[0]
            raise ConfigurationError(
                f"SqliteBackend takes the path of a file, got the address "
                f"{quoted(f'{scheme}://...')}. An address goes to snapshot_backend=..."
            )
        limits.one_of("synchronous", synchronous, ("FULL", "NORMAL"))
        self.clock = SteadyClock(clock)
        self.database = Database(
            path=path, synchronous=synchronous, texts=Texts(checked_prefix(table_prefix))
        )
        self.kind: type[Store] = Store
        self._open_store: Store | None = None

    async def open(self, on_change: Callable[[], None]) -> None:
        store, self._open_store = self._open_store, None
        if store is not None and not store.abandoned:
            self._open_store = store
            raise ConfigurationError(
                f"The task store {self.database.path!r} is open already. Give each manager a "
                "SqliteBackend of its own; they may share the file."
            )
        if store is not None:
            store.abandon()
        self._open_store = await self.kind.open(self.database, self.clock, on_change)

    async def close(self) -> None:
        store, self._open_store = self._open_store, None
        if store is not None:
            await store.close()

    @property
    def store(self) -> Store:
        if self._open_store is None:
            raise StoreUnavailable(
                f"The task store {self.database.path!r} is not open. Start the engine first."
            )
        return self._open_store

    async def batch(
        self,
        verb: Callable[..., list[A]],
        items: Sequence[Q],
        *terms: object,
        admits: bool = False,
    ) -> list[A]:
        """Run a verb that answers its items one by one, perhaps with those of others."""
        if not items:
            return []
        job = Job(verb, terms, items, admits=admits)
        self.store.writer.submit(job)
        answers: list[A] = await job.future
        return answers

    async def write(
        self, verb: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        job = Job(verb, args, None)
        self.store.writer.submit(job)
        answer: T = await job.future
        return answer
