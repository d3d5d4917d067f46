"""Tables of a store, and what makes those of this release out of older ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

__all__ = ["Migration", "Planned"]


class Planned(NamedTuple):
    """What is to be done, or was.

    Attributes:
        found: The version of the tables; None: there are none.
        wanted: That of this release.
        statements: What leads from one to the other, in order, as the database takes it.
    """

    found: int | None
    wanted: int
    statements: tuple[str, ...]


class Migration(ABC):
    """`Backend.open` does it too: this is for those who do it beforehand, or by hand."""

    @abstractmethod
    async def plan(self) -> Planned:
        """What would be done. Changes nothing, and needs no `open`.

        Raises:
            StoreUnavailable: the database cannot be reached.
            ConfigurationError: the tables are those of a newer release.
        """

    @abstractmethod
    async def run(self) -> Planned:
        """Do it, alone, while others who open the store wait; raises as `plan`."""
