"""The executor: each call is followed by a thread, which lends it a child."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any

from fastapi_taskflow.executors.base import Call, Executor, Log, OnEnd, Reason, Run, Told
from fastapi_taskflow.executors.daemons import DaemonThreads
from fastapi_taskflow.executors.process import wire
from fastapi_taskflow.executors.process.children import Child
from fastapi_taskflow.executors.process.orders import DRAIN, STOPS
from fastapi_taskflow.executors.process.pool import Pool, PoolClosed
from fastapi_taskflow.rules.ends import Lost, Raised, Stopped
from fastapi_taskflow.rules.placing import check_process

__all__ = ["ProcessExecutor"]

_STEP_SECONDS = 0.01
# Of a killed child, until it is gone.
_BURIAL_SECONDS = 0.5
# Calls that find that their child had died before it looked at them.
_TRIES = 3


class ProcessExecutor(Executor):
    """Runs plain functions in up to ``slots`` child processes, which it keeps for the next ones.

    No process is started before the first call.

    Args:
        slots: None: as many as this process has cores.
        patience: Seconds between the order to stop, which a function can obey, and its end.
    """

    slots: int

    def __init__(self, slots: int | None = None, *, patience: float = 30.0) -> None:
        self.slots = slots or _cores()
        self.patience = patience
        self.runs: set[_ProcessRun] = set()

    def check(self, func: Callable[..., Any]) -> None:
        check_process(func)

    async def open(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._threads = DaemonThreads(self.slots, name="taskflow-process")
        self.pool = Pool()
        self.runs = set()

    def run(self, call: Call, ended: OnEnd, log: Log) -> Run:
        run = _ProcessRun(call, ended, log, self)
        self.runs.add(run)
        try:
            self._threads.submit(run)
        except BaseException:
            self.runs.discard(run)
            raise
        return run

    def drain(self) -> None:
        super().drain()
        self.pool.drain()

    async def close(self, grace: float) -> None:
        """What runs is ordered to stop, and killed after ``grace`` seconds."""
        self._threads.close()
        self.pool.close()
        for run in list(self.runs):
            if run.reason is None:
                run.stop("drain")
        await self._emptied(grace)
        self.pool.kill()
        await self._emptied(_BURIAL_SECONDS)

    async def _emptied(self, seconds: float) -> None:
        until = self.loop.time() + seconds
        while (len(self.pool) or self.runs) and self.loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(_STEP_SECONDS)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _ProcessRun:
    """Invariant: ``_child`` runs this call and no other, as long as it is set."""

    def __init__(self, call: Call, ended: OnEnd, log: Log, executor: ProcessExecutor) -> None:
        self.reason: Reason | None = None
        self._call = call
        self._ended = ended
        self._log = log
        self._executor = executor
        self._pool = executor.pool
        # Protects reason and _child, which the loop and the thread that follows share.
        self._lock = Lock()
        self._child: Child | None = None
        # Of the thread that follows: a child is gone.
        self._lost = False
        self._timer: asyncio.TimerHandle | None = None

    def stop(self, reason: Reason) -> bool:
        """See `Run.stop`. Who lost its lease has no time: somebody else runs the task."""
        with self._lock:
            self.reason = reason
            child = self._child
        if child is not None:
            child.order(STOPS[reason])
        if reason == "lost":
            self._kill()
        else:
            self._timer = self._executor.loop.call_later(self._executor.patience, self._kill)
        return True

    def _kill(self) -> None:
        with self._lock:
            if self._child is not None:
                self._child.kill()

    def __call__(self) -> None:
        try:
            told = self._told()
        except PoolClosed:
            told = Stopped()
        # No child can be had, or the call cannot be sent: its attempt has failed.
        except BaseException as exc:
            told = Raised(exc)
        if self.reason is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._executor.loop.call_soon_threadsafe(self._forget)
        self._executor.runs.discard(self)
        self._ended(told)
        del told
        if self._lost and not self._executor.draining:
            self._pool.heal()

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _told(self) -> Told:
        data = wire.pack_call(self._call)
        how = ""
        for _ in range(_TRIES):
            child = self._pool.take()
            if not self._lend(child):
                self._pool.give(child)
                return Stopped()
            began, told = self._follow(child, data)
            with self._lock:
                self._child = None
                reason = self.reason
            if told is not None and reason is None:
                self._pool.give(child)
                return told
            # What was ordered to stop may hear of it later: it runs nothing else. With what
            # has died, what it had started is ended.
            self._lost = True
            child.kill()
            how = self._pool.bury(child)
            if told is not None:
                return told
            if reason is not None:
                return Stopped()
            if began:
                break
        return Lost(how)

    def _lend(self, child: Child) -> bool:
        """False: the run was stopped before it had a child."""
        with self._lock:
            if self.reason is None:
                self._child = child
        if self._executor.draining:
            child.order(DRAIN)
        return self._child is not None

    def _follow(self, child: Child, data: bytes) -> tuple[bool, Told | None]:
        """Whether the call began, and how it ended; None: the child died."""
        began = False
        try:
            child.send(wire.CALL, data)
            while True:
                kind, said = child.receive()
                if kind == wire.LINE:
                    self._log(*wire.unpack_line(said))
                elif kind == wire.BEGUN:
                    began = True
                else:
                    return began, _END[kind](said)
        except (EOFError, OSError):
            return began, None
        # Half understood, it cannot be trusted with another call.
        except BaseException as exc:
            child.kill()
            return began, Raised(exc)


_END: dict[int, Callable[[bytes], Told]] = {
    wire.RETURNED: wire.unpack_value,
    wire.RAISED: wire.unpack_error,
    wire.STOPPED: lambda _said: Stopped(),
}
