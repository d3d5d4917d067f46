"""What callers hand to the writer thread, and how it is run inside one transaction.

Neighbouring jobs of one verb are run as one call with all their items; the answers are
shared out again. So a hundred small inserts that waited together cost one large one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

from fastapi_taskflow.backends.sqlite.faults import is_outage
from fastapi_taskflow.backends.sqlite.transactions import Transaction

__all__ = ["Answer", "Job", "answer", "resolve", "run_apart", "run_jobs"]

Answer = tuple[Any, Exception | None]
"""A result, or what went wrong."""


class Job:
    """One call of a verb, and who waits for it.

    Args:
        verb: Takes a transaction, the terms, and the items if there are any.
        terms: What must be equal for two jobs to be run as one.
        items: Answered one by one in order; None if the verb takes only its terms.
        admits: It stores new tasks, which a full disk refuses first.
    """

    __slots__ = ("admits", "future", "items", "terms", "verb")

    def __init__(
        self,
        verb: Callable[..., Any],
        terms: tuple[Any, ...],
        items: Sequence[Any] | None,
        *,
        admits: bool = False,
    ) -> None:
        self.verb = verb
        self.terms = terms
        self.items = items
        self.admits = admits
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def run(self, tx: Transaction) -> Any:
        """Call the verb for this job alone."""
        if self.items is None:
            return self.verb(tx, *self.terms)
        return self.verb(tx, *self.terms, self.items)

    def _kind(self) -> tuple[Any, ...]:
        # Those without items are like no other.
        return (id(self),) if self.items is None else (self.verb, self.terms)


def run_jobs(tx: Transaction, jobs: Sequence[Job]) -> list[Answer]:
    """Run all jobs in order; the first that fails fails all."""
    answers: list[Answer] = []
    for _, group in groupby(jobs, Job._kind):  # noqa: SLF001  (this module's own)
        together = list(group)
        if len(together) == 1:
            answers.append((together[0].run(tx), None))
        else:
            answers.extend((result, None) for result in _run_together(tx, together))
    return answers


def _run_together(tx: Transaction, jobs: Sequence[Job]) -> Iterator[Any]:
    first = jobs[0]
    items = [item for job in jobs for item in job.items or ()]
    results = first.verb(tx, *first.terms, items)
    done = 0
    for job in jobs:
        size = len(job.items or ())
        yield results[done : done + size]
        done += size


def run_apart(connection: sqlite3.Connection, tx: Transaction, jobs: Sequence[Job]) -> list[Answer]:
    """Run each job so that its failure takes back only what it did itself.

    Raises:
        Exception: the store itself fails; that is nobody's own failure.
    """
    answers: list[Answer] = []
    for job in jobs:
        counters, hooks = tx.counters.copy(), len(tx.after)
        connection.execute("SAVEPOINT job")
        try:
            answers.append((job.run(tx), None))
        except Exception as exc:  # handed to the one who waits for this job
            if is_outage(exc):
                raise
            connection.execute("ROLLBACK TO job")
            tx.counters = counters
            del tx.after[hooks:]
            answers.append((None, exc))
        connection.execute("RELEASE job")
    return answers


def resolve(answers: Sequence[tuple[Job, Answer]], loop: asyncio.AbstractEventLoop) -> None:
    """Give each job's future its answer. Called on ``loop``, which is that of nearly all."""
    for job, (result, error) in answers:
        elsewhere = job.future.get_loop()
        if elsewhere is loop:
            answer(job.future, result, error)
            continue
        with suppress(RuntimeError):  # that loop was closed; nobody waits any more
            elsewhere.call_soon_threadsafe(answer, job.future, result, error)


def answer(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    """Give one future its answer; on its event loop."""
    if future.done():  # the caller was cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
