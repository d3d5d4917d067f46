"""`SqliteBackend`: the verbs of the port, handed to a writer thread and to readers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from typing import Any, Literal

from fastapi_taskflow.backends import storable
from fastapi_taskflow.backends.base import (
    Admission,
    Attempt,
    CancelAnswer,
    Claimed,
    ClaimRequest,
    FailureGroup,
    FailureQuery,
    Grade,
    InstanceInfo,
    Lease,
    LogChunk,
    MirrorAnswer,
    NewTask,
    Outcome,
    Page,
    Purged,
    Query,
    Rollup,
    RollupQuery,
    Settled,
    Signals,
    Snapshot,
    StoredTask,
    Tally,
    Traffic,
    Transactions,
)
from fastapi_taskflow.backends.sqlite import changing, claims, fleet, reading
from fastapi_taskflow.backends.sqlite.admission import Terms, insert
from fastapi_taskflow.backends.sqlite.allowing import traffic
from fastapi_taskflow.backends.sqlite.backlog import next_due, waiting_since
from fastapi_taskflow.backends.sqlite.batches import SqliteBatches
from fastapi_taskflow.backends.sqlite.checkup import Examined
from fastapi_taskflow.backends.sqlite.connections import Database
from fastapi_taskflow.backends.sqlite.contents import SqliteRotation
from fastapi_taskflow.backends.sqlite.failures import failures
from fastapi_taskflow.backends.sqlite.handles import Handle
from fastapi_taskflow.backends.sqlite.logins import SqliteLogins
from fastapi_taskflow.backends.sqlite.onlookers import Onlooking
from fastapi_taskflow.backends.sqlite.purging import purge, purgeable
from fastapi_taskflow.backends.sqlite.rollups import rollups
from fastapi_taskflow.backends.sqlite.schedules import SqliteSchedules
from fastapi_taskflow.backends.sqlite.stores import quick_look
from fastapi_taskflow.words.clock import SYSTEM_CLOCK, Clock, to_micros
from fastapi_taskflow.words.models import AuditEntry, TaskStatus

__all__ = ["SqliteBackend"]


class SqliteBackend(Examined):
    """Tasks in one SQLite file, shared by the processes of one host.

    Locks, write-ahead log, life locks and a reserve of disk space are in files beside it.
    Nothing else may write to the tables; on SQLite before 3.51.3 nothing else may write to
    the database while several processes use it (see `locks`). On Windows, which has no
    ``flock``, dead instances are found by their heartbeats only.

    Args:
        db_path: The database file; its directory must exist. Not ``:memory:``.
        synchronous: ``FULL``: what is committed survives power loss (grade A). ``NORMAL``:
            it survives a crash of the process (grade B), and commits are faster.
        clock: The store's clock.
        table_prefix: Starts the names of all tables and indexes.
        max_workers: Accepted for compatibility and not used: one thread writes, two read.

    Raises:
        ConfigurationError: an argument cannot work. Places are checked by `open`.
    """

    def __init__(
        self,
        db_path: str | os.PathLike[str] = "tasks.db",
        *,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        clock: Clock = SYSTEM_CLOCK,
        table_prefix: str = "taskflow_",
        max_workers: int | None = None,
    ) -> None:
        self._handle = Handle(db_path, synchronous, clock, table_prefix)
        self._sign_in = SqliteLogins(self._handle)
        self._rotation = SqliteRotation(self._handle)
        self._schedules = SqliteSchedules(self._handle)
        self._batches = SqliteBatches(self._handle)
        self._grade = Grade.A if synchronous == "FULL" else Grade.B

    def query(
        self,
        status: TaskStatus | str | None = None,
        func_name: str | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """The newest tasks, as `TaskRecord.to_dict` gives them, without logs.

        For a quick look from a script: blocks, writes nothing, needs no `open`.

        Raises:
            StoreUnavailable: there is no such database, or it cannot be read.
            ValueError: there is no such status.
        """
        statuses = frozenset() if status is None else frozenset({TaskStatus(status)})
        wanted = Query(statuses=statuses, func_name=func_name)
        return quick_look(self._handle.database, wanted, limit)

    def onlooker(self) -> SqliteBackend:
        return _Onlooker(self._handle.database)

    # Life

    @property
    def grade(self) -> Grade:
        return self._grade

    @property
    def place(self) -> str:
        return self._handle.database.resolved().path

    @property
    def sign_in(self) -> SqliteLogins:
        return self._sign_in

    @property
    def schedules(self) -> SqliteSchedules:
        return self._schedules

    @property
    def batches(self) -> SqliteBatches:
        return self._batches

    @property
    def transactions(self) -> Transactions | None:
        # It needs SQLAlchemy, which whoever has a session has.
        module = import_module("fastapi_taskflow.backends.sqlite.joined")
        joined: Transactions = module.SqliteTransactions(self._handle)
        return joined

    @property
    def rotation(self) -> SqliteRotation:
        return self._rotation

    async def open(self, on_change: Callable[[], None]) -> None:
        await self._handle.open(on_change)

    async def close(self) -> None:
        await self._handle.close()

    # Tasks

    async def insert(
        self,
        groups: Sequence[Sequence[NewTask]],
        limits: Mapping[str, int] | None = None,
        *,
        key_ttl: float = 86400.0,
    ) -> list[Admission]:
        storable.check_groups(groups)
        terms = Terms(tuple((limits or {}).items()), key_ttl)
        return await self._handle.batch(insert, groups, terms, admits=True)

    async def claim(self, request: ClaimRequest) -> list[Claimed]:
        if request.limit <= 0 or not request.queues or not request.functions:
            return []
        return await self._handle.write(claims.claim, request)

    async def start(self, leases: Sequence[Lease]) -> list[datetime | None]:
        return await self._handle.batch(changing.start, leases)

    async def finish(self, outcomes: Sequence[Outcome]) -> list[Settled | None]:
        storable.check_outcomes(outcomes)
        return await self._handle.batch(changing.finish, outcomes)

    async def cancel(self, task_ids: Sequence[str]) -> list[CancelAnswer]:
        return await self._handle.batch(changing.cancel, task_ids)

    async def mirror(self, instance: str, snapshots: Sequence[Snapshot]) -> list[MirrorAnswer]:
        storable.check_snapshots(snapshots)
        return await self._handle.batch(changing.mirror, snapshots, instance)

    async def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        storable.check_chunks(chunks)
        await self._handle.batch(changing.append_logs, chunks)

    async def get(self, task_ids: Sequence[str]) -> list[StoredTask | None]:
        if not task_ids:
            return []
        return await self._handle.store.reader.read(reading.get, task_ids)

    async def attempts(self, task_id: str) -> list[Attempt]:
        return await self._handle.store.reader.read(reading.attempts, task_id)

    async def search(
        self, query: Query, *, limit: int, cursor: str | None = None, most_bytes: int | None = None
    ) -> Page:
        before = reading.parsed_cursor(cursor)
        return await self._handle.store.browser.read(
            reading.search, query, limit, before, most_bytes
        )

    async def count(self, query: Query, *, cap: int = 10_000) -> int:
        return await self._handle.store.browser.read(reading.count, query, cap)

    async def tally(self) -> list[Tally]:
        return await self._handle.store.reader.read(reading.tally)

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        return await self._handle.store.browser.read(rollups, query)

    async def failures(self, query: FailureQuery) -> list[FailureGroup]:
        return await self._handle.store.browser.read(failures, query)

    async def traffic(
        self, order_keys: Sequence[str], buckets: Sequence[str], *, leased: bool, most: int
    ) -> Traffic:
        read = self._handle.store.reader.read
        found = await read(traffic, order_keys, buckets, leased, most)
        return found._replace(now=self._handle.clock.now())

    async def waiting_since(self, queues: Sequence[str]) -> dict[str, datetime]:
        store, now = self._handle.store, self._handle.clock.micros()
        return await store.browser.read(waiting_since, queues, now)

    async def next_due(self, queues: Sequence[str]) -> float | None:
        if not queues:
            return None
        now = self._handle.clock.micros()
        return await self._handle.store.reader.read(next_due, queues, now)

    async def purgeable(self, before: datetime, *, cap: int = 10_000) -> int:
        return await self._handle.store.browser.read(purgeable, self._own(before), cap)

    async def purge(self, before: datetime | None, *, limit: int) -> Purged:
        return await self._handle.write(purge, None if before is None else self._own(before), limit)

    def _own(self, moment: datetime) -> int:
        """Callers count from their own clock, which may have been set back."""
        self._handle.clock.micros()
        return to_micros(moment + self._handle.clock.lead)

    # Fleet

    async def enlist(self, info: InstanceInfo) -> None:
        store = self._handle.store
        try:
            await self._handle.write(store.enlist, info)
        except BaseException:
            store.life.drop(info.instance_id)
            raise

    async def beat(
        self, instance: str, lag: float, *, running: int = 0, draining: bool = False
    ) -> bool:
        store = self._handle.store
        with suppress(OSError):  # they are quicker proof of a death than beats, not the only one
            store.life.renew()
        return store.heartbeat.beat(instance, (lag, running, draining))

    async def recover(self, by: str, dead: str, *, limit: int) -> list[Claimed]:
        return await self._handle.write(self._handle.store.recover, by, dead, limit)

    async def owned(self, instance: str) -> list[Claimed]:
        return await self._handle.store.reader.read(reading.owned, instance)

    async def retire(self, instance: str) -> None:
        await self._handle.write(self._handle.store.retire, instance)

    async def signals(self, instance: str) -> Signals:
        store = self._handle.store
        return await store.reader.read(store.signals, instance)

    # Operators

    async def set_queue(self, queue: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._handle.write(fleet.set_queue, queue, settings)

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        await self._handle.batch(fleet.append_audit, entries)

    async def audit(
        self, *, limit: int, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        before = reading.parsed_cursor(cursor)
        return await self._handle.store.browser.read(fleet.audit_page, limit, before)


class _Onlooker(SqliteBackend):
    def __init__(self, database: Database) -> None:
        super().__init__(database.path, table_prefix=database.texts.prefix)
        self._handle.kind = Onlooking
