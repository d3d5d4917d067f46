"""A backend: all verbs together, and its life."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Any, Self

from fastapi_taskflow.backends.base.batches import Batches
from fastapi_taskflow.backends.base.findings import Finding
from fastapi_taskflow.backends.base.fleet import Fleet
from fastapi_taskflow.backends.base.migration import Migration
from fastapi_taskflow.backends.base.operators import Operators
from fastapi_taskflow.backends.base.reads import Reads
from fastapi_taskflow.backends.base.residence import Residence
from fastapi_taskflow.backends.base.rotation import Rotation
from fastapi_taskflow.backends.base.schedules import Schedules
from fastapi_taskflow.backends.base.tasks import Tasks
from fastapi_taskflow.backends.base.transactions import Transactions
from fastapi_taskflow.backends.logins import Logins
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Backend", "Grade", "SnapshotBackend", "no_backend"]


class Grade(Enum):
    """What a committed write survives."""

    A = "survives power loss"
    B = "survives a crash of the process"
    C = "survives nothing: memory only"


class Backend(Tasks, Reads, Fleet, Operators):
    """Storage of tasks; `backends.base` has the rules for every verb.

    Construction does no I/O. All verbs but `beat` are called from the event loop that
    called `open`.

    Raises:
        ConfigurationError: at construction, a class that lacks verbs; the message names them.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        if cls.__abstractmethods__:
            raise no_backend(cls)
        return super().__new__(cls)

    @property
    @abstractmethod
    def grade(self) -> Grade:
        """What a committed write survives."""

    @property
    def place(self) -> str:
        """Where it keeps tasks, for people's eyes: a path, or an address without a password."""
        return type(self).__name__

    @property
    def refusal(self) -> str | None:
        """Why it takes no durable tasks, known once it is open. None: it does."""
        return None

    @property
    def sign_in(self) -> Logins | None:
        """Who has signed in to the dashboard. None: nobody can with this store."""
        return None

    @property
    def rotation(self) -> Rotation | None:
        """How sealed contents are sealed anew. None: encryption keys cannot be changed."""
        return None

    @property
    def schedules(self) -> Schedules | None:
        """Schedules and dates of single tasks. None: this store keeps none."""
        return None

    @property
    def batches(self) -> Batches | None:
        """Tasks that are one piece of work. None: this store keeps none."""
        return None

    @property
    def transactions(self) -> Transactions | None:
        """Verbs in callers' own transactions. None: this store is no part of any."""
        return None

    @property
    def migration(self) -> Migration | None:
        """How its tables are made and changed beforehand. None: `open` alone does it."""
        return None

    @property
    def residence(self) -> Residence | None:
        """For tasks that are not durable, instead of `mirror`. None: there is only that."""
        return None

    @abstractmethod
    async def open(self, on_change: Callable[[], None]) -> None:
        """Connect and create or migrate what is missing.

        Args:
            on_change: Called on this event loop, at any time and often for nothing, as a
                hint that another instance changed something.

        Raises:
            StoreUnavailable: the store cannot be reached.
            ConfigurationError: it is of a kind or place that cannot be supported.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what was handed in and disconnect. Idempotent."""

    # From outside, where a driver has a way to

    def onlooker(self) -> Backend:
        """The same store for reads alone: `open` makes, migrates and locks nothing there.

        A verb that writes raises `StoreUnavailable`, as does opening a store that is not
        there. Where a driver has no such way it is this object.
        """
        return self

    async def vitals(self) -> list[Finding]:
        """What the server or file says of itself, beside the tasks: nothing, for some drivers.

        Needs no `open` and writes nothing. Its cost does not grow with the tasks: an instance
        asks once a minute.

        Raises:
            StoreUnavailable: there is no store, or it does not answer.
        """
        return []

    def examine(self) -> Iterator[Finding]:
        """`vitals`, and what takes longer to find out; blocks.

        A store that cannot be opened ends it: whoever opens it is told why.
        """
        # Whoever asks may have an event loop, and waits.
        with ThreadPoolExecutor(1) as pool:
            yield from pool.submit(asyncio.run, self._examined()).result()

    async def _examined(self) -> list[Finding]:
        """What `examine` tells; a driver that finds out more than its `vitals` has its own."""
        return await self.vitals()


SnapshotBackend = Backend
"""The name that the port had in the older package, for annotations and checks of type.

Its verbs were others: they wrote all records now and then, which can neither commit a task
before its response nor let two instances share one. A class with those is refused.
"""


_OLDER_VERBS = ("save", "load", "save_pending", "load_pending", "clear_pending")


def no_backend(kind: type) -> ConfigurationError:
    """Why objects of a class cannot store tasks: the verbs that it lacks, by name."""
    mine: frozenset[str] = getattr(kind, "__abstractmethods__", frozenset())
    names = Backend.__abstractmethods__
    lacks = sorted(name for name in names if name in mine or not hasattr(kind, name))
    text = f"{kind.__name__} cannot store tasks: it lacks {', '.join(lacks)}."
    if all(hasattr(kind, verb) for verb in _OLDER_VERBS):
        text += (
            f" Its {', '.join(_OLDER_VERBS)} are those of the older package, which wrote all "
            "records now and then; with them no task could be stored before its response. Use "
            "snapshot_db='tasks.db', or implement fastapi_taskflow.Backend; the guide on "
            "migrating says more."
        )
    return ConfigurationError(text)
