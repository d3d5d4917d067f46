"""All that depends on the database: how it is reached, and where its SQL is its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum, auto
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fastapi_taskflow.backends.sql.dialects.notices import Notices
from fastapi_taskflow.backends.sql.dialects.questions import Question

__all__ = ["Database", "Fate"]


class Fate(Enum):
    """What an error of a database means for the verb that met it."""

    COLLIDED = auto()
    """Others were in the way, or the connection was an old one: load and decide again."""
    DEMOTED = auto()
    """It may only be read: since a failover another one writes, which a new connection finds."""
    REFUSED = auto()
    """It cannot store a value that it was given."""
    FULL = auto()
    """There is no room on its disk."""
    SILENT = auto()
    """It does not answer, or not as it should."""


class Database(ABC):
    """One database, not connected.

    Attributes:
        place: Where it is, for people's eyes.
        dialects: SQLAlchemy's names of it, for transactions of callers.
        now: Its own clock in microseconds since the epoch.
        questions: What to ask it of its state.
        fuses: One statement can look, and change several tables by what it saw.
        locks_what_it_reads: To lock some rows of many, it locks all that it looks at.
    """

    place: str
    dialects: tuple[str, ...]
    questions: Sequence[Question]
    fuses = False
    locks_what_it_reads = False
    now: sa.ColumnElement[int]

    @abstractmethod
    def connect(self) -> tuple[AsyncEngine, AsyncEngine]:
        """Engines that write, and that read what is committed when each statement begins.

        Nothing is connected yet. Each transaction of the first is READ COMMITTED.
        """

    @abstractmethod
    async def disconnect(self, engines: Sequence[AsyncEngine]) -> None:
        """Let go of what `connect` gave."""

    @abstractmethod
    def pulse(self, writer: AsyncEngine) -> AsyncEngine:
        """For one short write on another event loop; whoever has it disposes of it."""

    def notices(
        self, writer: AsyncEngine, prefix: str, heard: Callable[[], None]
    ) -> Notices | None:
        """How instances with tables of this prefix hint to each other. None: they poll."""
        return None

    def telling(self, prefix: str) -> Sequence[sa.Executable]:
        """What in a transaction does so, at its commit."""
        return ()

    async def cut_off(self, sql: AsyncConnection, prefix: str) -> None:  # noqa: B027  (a choice)
        """End sessions whose clients stood still in a statement on tables of this prefix.

        A process that was stopped there holds locks, where the server sets no limit to that.
        """

    @abstractmethod
    def alone(self, sql: AsyncConnection) -> AbstractAsyncContextManager[None]:
        """Nobody else changes the tables meanwhile."""

    @abstractmethod
    def adding(self, table: sa.Table, key: list[str], added: list[str]) -> sa.Insert:
        """Insert rows, or add some of their columns to the rows that have the key already."""

    @abstractmethod
    def unless_there(self, table: sa.Table, key: str) -> sa.Insert:
        """Insert rows, but for those whose key is there already."""

    @abstractmethod
    def containing(self, column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
        """The text is somewhere in the column, to the letter."""

    @abstractmethod
    def fate(self, error: DBAPIError) -> Fate:
        """What an error means."""
