"""An open store: its threads, connections and locks, from `open` to `close`."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi_taskflow.backends.base import Claimed, InstanceInfo, Query, Signals
from fastapi_taskflow.backends.sqlite import claims, fleet
from fastapi_taskflow.backends.sqlite.connections import Database
from fastapi_taskflow.backends.sqlite.faults import translated
from fastapi_taskflow.backends.sqlite.files import Files
from fastapi_taskflow.backends.sqlite.heartbeat import Heartbeat
from fastapi_taskflow.backends.sqlite.lifelocks import LifeLocks
from fastapi_taskflow.backends.sqlite.lockfiles import store_directory
from fastapi_taskflow.backends.sqlite.older import notice
from fastapi_taskflow.backends.sqlite.readers import Reader
from fastapi_taskflow.backends.sqlite.reading import NEWEST, search
from fastapi_taskflow.backends.sqlite.sessions import Session
from fastapi_taskflow.backends.sqlite.transactions import Transaction
from fastapi_taskflow.backends.sqlite.versions import migrate
from fastapi_taskflow.backends.sqlite.writer import Writer
from fastapi_taskflow.words.clock import SteadyClock

__all__ = ["Store", "quick_look"]


class Store:
    """Made by `open`, on the event loop that uses it."""

    def __init__(
        self,
        database: Database,
        files: Files,
        *,
        writer: Writer,
        heartbeat: Heartbeat,
        life: LifeLocks,
    ) -> None:
        self.writer = writer
        # The engine's small reads do not stand behind a dashboard's large ones.
        self.reader, self.browser = Reader(database, files), Reader(database, files)
        self.heartbeat = heartbeat
        self.life = life
        self._loop = asyncio.get_running_loop()

    @property
    def abandoned(self) -> bool:
        """Its event loop was closed before the store."""
        return self._loop.is_closed()

    def abandon(self) -> None:
        """Let its threads end, when nobody can wait for them any more."""
        self.reader.end()
        self.browser.end()
        self.writer.end()
        self.heartbeat.close()
        self.life.close()

    @classmethod
    async def open(
        cls, database: Database, clock: SteadyClock, on_change: Callable[[], None]
    ) -> Store:
        """Connect, bring the schema up to date, remove what dead processes left.

        Raises:
            StoreUnavailable: the database does not answer.
            ConfigurationError: it is of a kind or in a place that cannot work.
        """
        database = database.resolved()
        life = LifeLocks(store_directory(database.path), database.texts.prefix)

        def begin(tx: Transaction) -> None:
            migrate(tx, database.path)
            clock.reach(fleet.latest_shown(tx))
            known = fleet.instance_ids(tx)
            tx.after.append(lambda: life.sweep(known))
            notice(tx, database.texts.prefix, database.path)

        files = Files(database.path)
        writer = Writer(database, files, clock, begin=begin, on_change=on_change)
        try:
            await writer.start()
        except BaseException:
            await writer.stop()
            raise
        heartbeat = Heartbeat(database, files, clock)
        return cls(database, files, writer=writer, heartbeat=heartbeat, life=life)

    async def close(self) -> None:
        """Finish what was handed in; the writer, which may be the last, disconnects last."""
        await self.reader.stop()
        await self.browser.stop()
        await asyncio.to_thread(self.heartbeat.close)
        await self.writer.stop()
        self.life.close()

    # Verbs that touch lock files as well

    def enlist(self, tx: Transaction, info: InstanceInfo) -> None:
        """The lock first: a row without a lock looks dead."""
        self.life.take(info.instance_id)
        fleet.enlist(tx, info)

    def retire(self, tx: Transaction, instance: str) -> None:
        """The row first: a lock that is free before looks like a death."""
        removed = fleet.retire(tx, instance)

        def release() -> None:
            self.life.drop(instance)
            if removed:
                self.life.forget(instance)

        tx.after.append(release)

    def signals(self, session: Session, instance: str) -> Signals:
        """The rows first, as for `retire`."""
        found = fleet.signals(session, instance)
        gone = self.life.free(peer.info.instance_id for peer in found.peers)
        peers = (peer._replace(gone=peer.info.instance_id in gone) for peer in found.peers)
        return replace(found, peers=tuple(peers))

    def recover(self, tx: Transaction, by: str, dead: str, limit: int) -> list[Claimed]:
        """With the last task the dead instance's lock file goes."""
        recovery = claims.recover(tx, by, dead, limit)
        if recovery.complete:
            tx.after.append(lambda: self.life.forget(dead))
        return recovery.claims


def quick_look(database: Database, query: Query, limit: int) -> list[dict[str, Any]]:
    """The newest matching tasks as dictionaries, over a connection of its own.

    Raises:
        StoreUnavailable: the database cannot be read.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = database.resolved().onlooker()
        page = search(Session(connection, database.texts), query, limit, NEWEST)
    except sqlite3.Error as exc:
        raise translated(exc, database.path) from exc
    finally:
        if connection is not None:
            connection.close()
    return [task.record.to_dict() for task in page.tasks]
