"""A backend: all verbs together, and its life."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Self

from fastapi_taskflow.backends.base.findings import Finding
from fastapi_taskflow.backends.base.fleet import Fleet
from fastapi_taskflow.backends.base.operators import Operators
from fastapi_taskflow.backends.base.reads import Reads
from fastapi_taskflow.backends.base.residence import Residence
from fastapi_taskflow.backends.base.rotation import Rotation
from fastapi_taskflow.backends.base.tasks import Tasks
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
    def sign_in(self) -> Logins | None:
        """Who has signed in to the dashboard. None: nobody can with this store."""
        return None

    @property
    def rotation(self) -> Rotation | None:
        """How sealed contents are sealed anew. None: encryption keys cannot be changed."""
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

    def examine(self) -> Iterator[Finding]:
        """What can be told of the store itself, beside its tasks: nothing, for most drivers.

        Needs no `open`, writes nothing and blocks. A store that cannot be opened ends it:
        whoever opens it is told why.
        """
        return iter(())


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
