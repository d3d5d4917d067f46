"""What a store may do that lives in the process whose tasks it shows: share them.

A task that is not durable is written to a store again and again, as `Snapshot`s. One in this
process's memory can have the task itself instead: then it is held once, and its arguments
need never be encoded to be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from fastapi_taskflow.backends.base.claims import Result
from fastapi_taskflow.words.failures import Failure
from fastapi_taskflow.words.models import TaskRecord

__all__ = ["Residence", "Resident"]


class Resident(Protocol):
    """A task that is not durable, as its owner has it.

    Attributes:
        record: Changed by its owner in place, ``status`` last; and by the app, which is given
            it, into whatever.
        kept: Arguments that may be kept for as long as the record; None: ``payload`` has
            them, as far as they can be stored.
        emitted, result, failure: As in a `Snapshot`.
    """

    @property
    def record(self) -> TaskRecord: ...
    @property
    def kept(self) -> tuple[tuple[Any, ...], dict[str, Any]] | None: ...
    @property
    def payload(self) -> bytes | None: ...
    @property
    def requeue(self) -> bool: ...
    @property
    def failures(self) -> int: ...
    @property
    def emitted(self) -> str | None: ...
    @property
    def result(self) -> Result | None: ...
    @property
    def failure(self) -> Failure | None: ...


class Residence(Protocol):
    """The store's side of it. Used on the owner's event loop; does no I/O."""

    def note(self, instance: str, tasks: Sequence[Resident]) -> list[bool]:
        """Tasks came to the states that their records say, and are read from there from now on.

        Otherwise as `Backend.mirror`.

        Returns:
            For each: False if it was not noted. It has to be mirrored, and that will say why.
        """
