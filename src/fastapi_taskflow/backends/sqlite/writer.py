"""The writer: one thread, one connection, one commit for all that waits.

It takes every job that is queued, runs them in one transaction, commits once and answers
them together. While a commit waits for the disk the next batch gathers; so an idle store
answers at once, and a busy one syncs no more often than it must.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from fastapi_taskflow.backends.sqlite.connections import WRITE_SECONDS, Database
from fastapi_taskflow.backends.sqlite.disk import Disk
from fastapi_taskflow.backends.sqlite.faults import (
    is_full,
    is_outage,
    loses_connection,
    public,
)
from fastapi_taskflow.backends.sqlite.files import Files, StillOpen
from fastapi_taskflow.backends.sqlite.fleet import SHOWN
from fastapi_taskflow.backends.sqlite.handover import Handover
from fastapi_taskflow.backends.sqlite.jobs import Answer, Job, answer, run_apart, run_jobs
from fastapi_taskflow.backends.sqlite.links import Link
from fastapi_taskflow.backends.sqlite.lockfiles import store_directory
from fastapi_taskflow.backends.sqlite.locks import WriteLock
from fastapi_taskflow.backends.sqlite.transactions import Transaction, writing
from fastapi_taskflow.words.clock import SteadyClock
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["Writer"]

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.05
_RESERVE_SECONDS = 5.0
_CLOSE_SECONDS = 0.5


class Writer:
    """Runs jobs in a daemon thread from `start` until `stop`.

    Args:
        begin: Run first on the new connection, in a transaction: the schema.
        on_change: Called on ``loop`` when somebody else wrote to the database.
    """

    def __init__(
        self,
        database: Database,
        files: Files,
        clock: SteadyClock,
        *,
        begin: Callable[[Transaction], None],
        on_change: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._begin = begin
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._handover = Handover()
        self._thread = threading.Thread(
            target=self._run, name="taskflow sqlite writer", daemon=True
        )
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._accepting = True
        directory = store_directory(database.path)
        self._lock = WriteLock(directory)
        self._disk = Disk(directory)
        # Below: the thread's own.
        self._files = files
        self._link = Link(database, files)
        self._polled_at = self._reserved_at = float("-inf")

    async def start(self) -> None:
        """Connect and run ``begin``.

        Raises:
            StoreUnavailable: that failed.
            ConfigurationError: it cannot work.
        """
        self._thread.start()
        await self._started

    def submit(self, job: Job) -> None:
        """Queue a job; its future gets the answer after the commit.

        Raises:
            StoreUnavailable: the writer is stopped.
        """
        if not self._accepting:
            raise StoreUnavailable("The task store is closed.")
        self._handover.add(job)

    def end(self) -> None:
        """Let the thread finish what is queued and disconnect."""
        self._accepting = False
        self._handover.close()

    async def stop(self) -> None:
        """Finish what is queued and disconnect."""
        self.end()
        await asyncio.shield(self._stopped)
        self._thread.join()

    # In the thread

    def _run(self) -> None:
        try:
            self._open()
        except Exception as exc:  # handed to the caller of `start`
            self._tell(self._started, public(exc, self._database.path))
        else:
            self._tell(self._started, None)
            while self._turn():
                pass
        self._close()
        self._tell(self._stopped, None)

    def _open(self) -> None:
        self._database.prepare()
        deadline = time.monotonic() + WRITE_SECONDS
        while True:
            try:
                self._begin_to_write()
                break
            except StillOpen:
                # They look at their files about as often.
                if time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_SECONDS)
        self._disk.keep_reserve()

    def _begin_to_write(self) -> None:
        with self._lock.held(WRITE_SECONDS):
            connection = self._link.ready()
            connection.execute("BEGIN IMMEDIATE")
            tx = self._transaction(connection)
            self._begin(tx)
            connection.execute("COMMIT")
        for hook in tx.after:
            hook()

    def _turn(self) -> bool:
        """Serve what is queued, or look around; False after the last job."""
        jobs = self._handover.take(_POLL_SECONDS)
        if jobs is None:
            return False
        if jobs:
            self._handover.answer(list(zip(jobs, self._serve(jobs), strict=True)))
        self._look_around()
        return True

    def _serve(self, jobs: Sequence[Job], *, again: bool = False) -> list[Answer]:
        """Answers for all jobs, whatever happens; ``again`` after they found no room."""
        try:
            if any(job.admits for job in jobs):
                try:
                    self._disk.admit()
                except StoreUnavailable as exc:
                    return self._without_new_tasks(jobs, exc, again=again)
            return self._commit(jobs)
        except Exception as exc:  # every waiter gets it, and the thread goes on
            if is_full(exc):
                freed = self._disk.found_full()
                relieved = freed or (not again and self._shrink_log())
                if relieved or len({job.admits for job in jobs}) > 1:
                    return self._without_new_tasks(jobs, exc, again=not freed)
            return [(None, public(exc, self._database.path)) for _ in jobs]

    def _without_new_tasks(
        self, jobs: Sequence[Job], reason: Exception, *, again: bool
    ) -> list[Answer]:
        rest = [job for job in jobs if not job.admits]
        answers = iter(self._serve(rest, again=again) if rest else ())
        return [
            (None, public(reason, self._database.path)) if job.admits else next(answers)
            for job in jobs
        ]

    def _shrink_log(self) -> bool:
        """Bring the log back into the database and empty it, as room that can be used anew."""
        try:
            with self._lock.held(WRITE_SECONDS):
                found = self._link.ready().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (sqlite3.Error, OSError, StoreUnavailable):
            return False
        return not found[0]

    def _commit(self, jobs: Sequence[Job]) -> list[Answer]:
        """Run the jobs in one transaction; apart from each other if one of them fails."""
        try:
            with self._lock.held(WRITE_SECONDS):
                connection = self._link.ready()
                try:
                    tx, answers = self._transact(connection, jobs, apart=False)
                except Exception as exc:
                    if is_outage(exc):
                        raise
                    tx, answers = self._transact(connection, jobs, apart=True)
                self._link.confirm()
        except Exception as exc:
            if loses_connection(exc):
                self._link.broke()
            raise
        self._disk.found_room()
        for hook in tx.after:
            try:
                hook()
            except Exception:  # it is committed, whatever happens to a lock file
                logger.exception("Something failed after a commit")
        path = self._database.path
        return [
            (result, None if error is None else public(error, path)) for result, error in answers
        ]

    def _transact(
        self, connection: sqlite3.Connection, jobs: Sequence[Job], *, apart: bool
    ) -> tuple[Transaction, list[Answer]]:
        with writing(connection):
            tx = self._transaction(connection, careful=apart)
            try:
                answers = run_apart(connection, tx, jobs) if apart else run_jobs(tx, jobs)
                tx.settle()
            finally:
                tx.close()
        return tx, answers

    def _transaction(self, connection: sqlite3.Connection, *, careful: bool = False) -> Transaction:
        texts, leases = self._database.texts, self._link.leases
        return Transaction(connection, texts, self._clock, leases, careful=careful)

    def _look_around(self) -> None:
        """Now and then: has anybody else written, are the files still ours."""
        now = time.monotonic()
        if now - self._polled_at < _POLL_SECONDS:
            return
        self._polled_at = now
        link = self._link
        try:
            if not link.seems_well():
                with self._lock.held(_POLL_SECONDS):
                    link.mend()
            if link.others_wrote():
                with suppress(RuntimeError):  # the loop was closed
                    self._loop.call_soon_threadsafe(self._on_change)
        except (StoreUnavailable, OSError):
            pass  # somebody writes, or the lock files are gone: soon again
        except sqlite3.Error as exc:
            logger.warning("The task store %s: %s", self._database.path, exc)
            link.broke()
        if now - self._reserved_at > _RESERVE_SECONDS:
            self._reserved_at = now
            self._disk.keep_reserve()

    def _close(self) -> None:
        # The last connection to close writes the log back into the database file.
        connection = self._link.connection
        if connection is not None:
            try:
                with self._lock.held(_CLOSE_SECONDS):
                    if not self._link.seems_well():
                        self._link.mend()
                    self._note_time(connection)
                    self._files.close()
            except (StoreUnavailable, OSError):
                # Whoever holds the lock has the file open: ours is not the last connection.
                pass
        self._files.close()
        self._lock.close()
        self._disk.release_reserve()

    def _note_time(self, connection: sqlite3.Connection) -> None:
        # Heartbeats do so too; without this note, the last seconds may be lived twice.
        with suppress(sqlite3.Error):
            connection.execute(self._database.texts[SHOWN], (self._clock.micros(),))

    def _tell(self, future: asyncio.Future[None], error: Exception | None) -> None:
        with suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(answer, future, None, error)
