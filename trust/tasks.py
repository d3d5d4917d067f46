"""The task functions of the app under test; each leaves evidence of what it did."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from fastapi_taskflow import TaskContext, TaskManager, get_task_context
from trust.evidence import Evidence
from trust.workload import KINDS, WORK, Kind

__all__ = ["Release", "register"]

_LOOK_SECONDS = 0.02


class Flaked(Exception):
    """A flaky task fails on purpose."""


class Release:
    """What held tasks wait for, on the loop and on threads; `set` it on the loop."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.thread_event = threading.Event()

    def set(self) -> None:
        self.event.set()
        self.thread_event.set()

    async def wait(self, seconds: float) -> bool:
        """True once it is set; False after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                return await self.event.wait()
        except TimeoutError:
            return False


class _Run:
    """One attempt's evidence."""

    def __init__(self, evidence: Evidence, kind: str, rid: str) -> None:
        context = get_task_context()
        assert context is not None
        self.context: TaskContext = context
        self._evidence = evidence
        self._kind = kind
        self._rid = rid
        self.note("start")

    def note(self, what: str) -> None:
        self._evidence.write(
            what,
            task=self.context.task_id,
            kind=self._kind,
            rid=self._rid,
            attempt=self.context.attempt,
            fence=self.context.fence,
        )

    def finish(self, kind: Kind) -> None:
        """The end of the work: an effect, or the failure that the task's id asks for."""
        if self.context.attempt < kind.failures_of(self.context.task_id):
            self.note("fail")
            raise Flaked(f"attempt {self.context.attempt}")
        self.note("effect")
        self.note("done")


def register(
    manager: TaskManager, evidence: Evidence, release: Release, announce: Callable[[str], None]
) -> dict[str, Callable[..., Any]]:
    """All task functions by name; each takes a request's id and milliseconds."""
    functions = {name: _worker(evidence, name, kind) for name, kind in WORK.items()}
    for name, kind in WORK.items():
        manager.task(
            name=name,
            persist=True,
            requeue_on_interrupt=kind.requeue,
            retries=kind.retries,
            delay=kind.delay,
            backoff=kind.backoff,
        )(functions[name])
    directed = Directed(evidence, release, announce)
    return functions | directed.register(manager)


def _worker(evidence: Evidence, name: str, kind: Kind) -> Callable[..., Any]:
    async def work(rid: str, ms: int) -> None:
        run = _Run(evidence, name, rid)
        await asyncio.sleep(ms / 1000)
        run.finish(kind)

    def work_in_thread(rid: str, ms: int) -> None:
        run = _Run(evidence, name, rid)
        time.sleep(ms / 1000)
        run.finish(kind)

    return work_in_thread if kind.threaded else work


class Directed:
    """Tasks that tests steer: they say that they run, and end when they are released."""

    def __init__(
        self, evidence: Evidence, release: Release, announce: Callable[[str], None]
    ) -> None:
        self._evidence = evidence
        self._release = release
        self._announce = announce

    def register(self, manager: TaskManager) -> dict[str, Callable[..., Any]]:
        durable: list[Callable[..., Any]] = [
            self.held,
            self.held_requeueable,
            self.held_alone,
            self.held_threaded,
            self.fails_once,
            self.poison,
        ]
        for function in durable:
            kind = KINDS[function.__name__]
            manager.task(
                persist=True,
                requeue_on_interrupt=kind.requeue,
                retries=kind.retries,
                delay=kind.delay,
                queue="single" if function == self.held_alone else None,
            )(function)
        manager.task()(self.fleeting)
        return {function.__name__: function for function in (*durable, self.fleeting)}

    async def held(self, rid: str, _ms: int) -> None:
        await self._hold("held", rid)

    async def held_requeueable(self, rid: str, _ms: int) -> None:
        await self._hold("held_requeueable", rid)

    async def held_alone(self, rid: str, _ms: int) -> None:
        await self._hold("held_alone", rid)

    def held_threaded(self, rid: str, _ms: int) -> None:
        run = _Run(self._evidence, "held_threaded", rid)
        self._announce("running held_threaded")
        self._release.thread_event.wait()
        run.finish(Kind())

    async def fails_once(self, rid: str, _ms: int) -> None:
        _Run(self._evidence, "fails_once", rid).finish(KINDS["fails_once"])

    async def poison(self, rid: str, ms: int) -> None:
        run = _Run(self._evidence, "poison", rid)
        await asyncio.sleep(ms / 1000)
        run.note("effect")
        os.kill(os.getpid(), signal.SIGKILL)

    async def fleeting(self, rid: str, ms: int) -> None:
        run = _Run(self._evidence, "fleeting", rid)
        await asyncio.sleep(ms / 1000)
        run.finish(Kind())

    async def _hold(self, name: str, rid: str) -> None:
        run = _Run(self._evidence, name, rid)
        self._announce(f"running {name}")
        told = False
        while not await self._release.wait(_LOOK_SECONDS):
            if run.context.stopping and not told:
                told = True
                self._announce(f"stopping {name}")
        run.finish(Kind())
