"""Verbs as a part of transactions that callers began, and end themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from fastapi_taskflow.backends.base.admission import Admission, NewTask
from fastapi_taskflow.backends.base.batches import NewBatch
from fastapi_taskflow.backends.base.claims import Outcome, Settled

__all__ = ["IsOver", "Joined", "Transactions"]

T = TypeVar("T")

IsOver: TypeAlias = Callable[[], bool]
"""Whether a transaction that was being committed has ended; from any thread."""


class Joined(ABC):
    """One transaction of a caller's, in the store's own database.

    What is written is there if the caller commits. What fails is taken back by itself, and the
    transaction goes on as if it had not been tried.
    """

    @abstractmethod
    def insert(
        self,
        tasks: Sequence[NewTask],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> Admission:
        """Store a group of tasks without an owner, as `Tasks.insert` does.

        Of other transactions only what is committed counts, and ``max_size`` may be passed by
        what is not. Waits for nobody but one who is taking the same idempotency key.

        Raises:
            StoreUnavailable: another transaction has taken the key since this one began, and
                this one's isolation does not let it see by whom.
        """

    @abstractmethod
    def add_batch(
        self,
        batch: NewBatch,
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> Admission:
        """Store a batch with its tasks, or nothing of it, as `Batches.add` and `insert` do."""

    @abstractmethod
    def finish(self, outcome: Outcome) -> Settled | None:
        """End a claim, as `Tasks.finish` does; the lease cannot be lost until the commit.

        None: the lease is lost, or was ended before, maybe in another transaction.
        """

    @abstractmethod
    def before_commit(self, told: Callable[[IsOver], None]) -> None:
        """Call something when the whole transaction, not a part of it, is being committed.

        It is called in whatever thread that is, must not block, and may not hear of it.
        """


class Transactions(ABC):
    """Joins transactions on the store's own database.

    A session is whatever the caller's database library calls so, or a connection. All methods
    raise `ConfigurationError` for what is none, or is one of another database.
    """

    @abstractmethod
    def is_async(self, session: object) -> bool:
        """It has to be awaited."""

    @abstractmethod
    def run(self, session: object, instance: str, step: Callable[[Joined], T]) -> T:
        """Do something in the transaction of a session that blocks.

        Args:
            instance: One that has enlisted in the store: it tells this database from others.
        """

    @abstractmethod
    async def run_async(self, session: object, instance: str, step: Callable[[Joined], T]) -> T:
        """As `run`, of any session, on the event loop that it belongs to."""
