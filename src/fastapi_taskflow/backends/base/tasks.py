"""The verbs that change tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from fastapi_taskflow.backends.base.admission import Admission, NewTask
from fastapi_taskflow.backends.base.claims import (
    CancelAnswer,
    Claimed,
    ClaimRequest,
    Lease,
    LogChunk,
    MirrorAnswer,
    Outcome,
    Settled,
    Snapshot,
)

__all__ = ["Tasks"]


class Tasks(ABC):
    """From acceptance to the end."""

    @abstractmethod
    async def insert(
        self,
        groups: Sequence[Sequence[NewTask]],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        """Store groups of tasks; each group wholly or not at all, all in one commit if possible.

        Groups, and the tasks in them, count in order: an earlier task of the call holds its
        key and its place for later ones, and the first task that cannot be stored decides
        the answer of its group. Checked per task: known id (then nothing else), ``retry_of``,
        key, order key, limit. A duplicate creates nothing but its alias, takes no place in the
        queue and links no retry.

        Where a live task has its order key, a task is behind it (``queue``), is a duplicate of
        it (``drop``), or ends those of the key that are PENDING, claimed or not, as `cancel`
        does (``replace``), and asks the RUNNING one to end (``cancel_running``). A retry is
        always behind.

        Args:
            groups: Each with at least one task.
            limits: ``max_size`` by queue. It counts PENDING tasks of the queue, in the whole
                store, that were never started (``start_time`` is None), claimed ones too.
            key_ttl: Seconds for which the keys taken by this call are held after SUCCESS, or
                after an end with unknown effect (INTERRUPTED or CANCELLED of a task that was
                started, if only for an earlier attempt). Keys are held while PENDING or
                RUNNING, and are free after FAILED, REJECTED and after INTERRUPTED or
                CANCELLED of a task that was never started. A held key outlives its deleted
                record. A retry takes its original's key over from it; where another task
                has got the key meanwhile, the retry is its duplicate or conflict like any
                other task.
        """

    @abstractmethod
    async def claim(self, request: ClaimRequest) -> list[Claimed]:
        """Take due, free, durable tasks: highest priority, then earliest due time, then arrival.

        Of tasks with one order key only that which has the turn is looked at, whatever the
        others' number. One that gets the turn, because the one before it has ended, is due then,
        or at its due time if that is later: so keys take turns.

        Queues that are paused in the store give nothing. A missing priority orders as 0. Across
        queues the order is the same, as far as their slots allow. What cannot be taken (another
        function, one suspect too many) holds nothing up behind it.
        """

    @abstractmethod
    async def start(self, leases: Sequence[Lease]) -> list[datetime | None]:
        """Commit RUNNING for claimed tasks. None: the lease is lost or the task was cancelled.

        Otherwise the start time. Sets ``retries_used`` to the failures so far. A lease that
        is RUNNING already answers the same again.
        """

    @abstractmethod
    async def finish(self, outcomes: Sequence[Outcome]) -> list[Settled | None]:
        """End claims as `states.MOVES` says. None: no such task (purged).

        A move to PENDING frees the task (no owner) and sets its due time, a terminal one
        sets ``end_time``. An attempt that does not end its task adds an `Attempt` (so not
        UNSTART and GIVE_BACK: no function was called). The rule's counters count also where
        cancel wins. Where the lease is lost nothing changes and a late `Attempt` is kept
        (once). A move whose source state is not the task's changes nothing.
        """

    @abstractmethod
    async def cancel(self, task_ids: Sequence[str]) -> list[CancelAnswer]:
        """Cancel what has not started; ask for the rest.

        A durable PENDING task becomes CANCELLED at once. RUNNING tasks, and live
        ``persist=False`` ones, only get the flag that their owner reads in `signals`.
        Terminal tasks are refused. Ids count in order: the second of two equal ones sees
        what the first did.
        """

    @abstractmethod
    async def mirror(self, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
        """Write the latest state of ``persist=False`` tasks, newer over older.

        A task that is not stored yet is stored as if born claimed; one that came through
        `insert` with an idempotency key keeps or frees it as `insert` says (a key's time
        runs from the write, by the store's clock). ``instance`` becomes the owner of live
        ones (it may have changed its id since). A known row that somebody recovered or
        that is terminal stays as it is.
        """

    @abstractmethod
    async def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        """Add log lines to running tasks, after those they have (or in their place); keep the
        latest of what else they tell.
        """
