"""A call that a thread follows, from its beginning or from where the event loop leaves it.

The thread does everything that may take time: it packs what is not plain, waits for a child, starts
and buries children, sends and receives what is long, and hears what functions tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Protocol

from fastapi_taskflow.executors.base import Call, OnEnd, Reason, Told
from fastapi_taskflow.executors.daemons import DaemonThreads
from fastapi_taskflow.executors.process import wire
from fastapi_taskflow.executors.process.children import Child
from fastapi_taskflow.executors.process.ears import Ears
from fastapi_taskflow.executors.process.memory import too_much
from fastapi_taskflow.executors.process.orders import DRAIN, STOPS
from fastapi_taskflow.executors.process.pool import Pool, PoolClosed
from fastapi_taskflow.executors.process.watching import MemoryWatch
from fastapi_taskflow.executors.sending import calls, ends
from fastapi_taskflow.rules.ends import Lost, Raised, Stopped
from fastapi_taskflow.rules.importable import module_of
from fastapi_taskflow.words.said import Say

__all__ = ["ENDS", "FollowedRun", "Host"]

ENDS: dict[int, Callable[[bytes], Told]] = {**ends.UNPACK, wire.STOPPED: lambda _said: Stopped()}
"""What frames that are the last of a call stand for."""

# Calls that find that their child had died before it looked at them.
_TRIES = 3
# What `os.closerange` does to whoever means to become another program.
_CUT = "it closed the pipes between its process and the server, which killed the process"


class Host(Protocol):
    """The executor, as its runs know it."""

    slots: int
    patience: float
    draining: bool
    loop: asyncio.AbstractEventLoop
    threads: DaemonThreads
    pool: Pool
    ears: Ears
    watch: MemoryWatch
    runs: set[FollowedRun]


class FollowedRun:
    """One call. Invariant: ``_child`` runs this call and no other, as long as it is set."""

    __slots__ = (
        "_call",
        "_child",
        "_data",
        "_ended",
        "_excess",
        "_executor",
        "_heard",
        "_is_ours",
        "_lock",
        "_lost",
        "_pool",
        "_say",
        "_sealed",
        "_sent",
        "_timer",
        "reason",
    )

    def __init__(self, call: Call, ended: OnEnd, say: Say, executor: Host) -> None:
        self.reason: Reason | None = None
        self._call = call
        self._ended = ended
        self._say = say
        self._executor = executor
        self._pool = executor.pool
        # Protects reason, _child and _excess, which several threads share.
        self._lock = Lock()
        self._child: Child | None = None
        # Bytes that its child held when it was killed for them.
        self._excess: int | None = None
        # Of the thread that follows: a child is gone.
        self._lost = False
        self._timer: asyncio.TimerHandle | None = None
        # Of who follows: the call as it is sent, and whether _child has it.
        self._data: bytes | None = None
        self._sent = False
        # The end, if the loop has heard it and a thread has to do what follows.
        self._heard: Told | None = None
        # The same, if it takes a thread to make of it what it stands for.
        self._sealed: tuple[int, bytes] | None = None
        # A thread of this process runs code of the user's: to pack the call, or to make what
        # has come. Nothing can end that.
        self._is_ours = False

    def stop(self, reason: Reason) -> bool:
        """See `Run.stop`. Who lost its lease has no time: somebody else runs the task."""
        with self._lock:
            self.reason = reason
            child, stops = self._child, not self._is_ours
        if child is None:
            self._pool.look()
        else:
            child.order(STOPS[reason])
        if reason == "lost":
            self._kill()
        else:
            self._timer = self._executor.loop.call_later(self._executor.patience, self._kill)
        return stops

    def _kill(self) -> None:
        with self._lock:
            if self._child is not None:
                self._child.kill()

    def _over(self, size: int) -> None:
        """Its child holds more than the call may."""
        with self._lock:
            if self._child is not None and self._excess is None:
                self._excess = size
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
        if self._data is None:
            with self._unstoppable():
                if self.reason is not None:
                    return Stopped()
                self._data = calls.pack_call(self._call)
        how = ""
        # Each that is kept may be too full for the call, once.
        for _ in range(_TRIES + self._executor.slots):
            child = self._child or self._taken()
            if child is None:
                return Stopped()
            told = self._follow(child, self._data) if self._heard is None else self._heard
            began = child.has_begun()
            with self._lock:
                self._child = None
                reason, excess = self.reason, self._excess
            self._executor.watch.remove(child.pid)
            if told is not None and reason is None and excess is None:
                self._pool.give(child)
                return told
            # What was ordered to stop may hear of it later: it runs nothing else. With what
            # has died, what it had started is ended.
            self._lost = True
            is_cut = told is None and reason is None and excess is None and child.is_cut()
            child.kill()
            how = self._pool.bury(child)
            if told is not None:
                return told
            if reason is not None:
                return Stopped()
            if excess is not None:
                return Raised(too_much(excess, self._call.memory_limit or 0))
            if began:
                return Lost(_CUT if is_cut else how)
        return Lost(how)

    def _taken(self) -> Child | None:
        """A child of its own; None: it was stopped before."""
        child = self._pool.take(module_of(self._call.func), lambda: self.reason is None)
        if child is None:
            return None
        self._sent = False
        if self._lend(child):
            return child
        self._pool.give(child)
        return None

    def _lend(self, child: Child) -> bool:
        """False: the run was stopped before it had a child."""
        with self._lock:
            if self.reason is None:
                self._child = child
        if self._executor.draining:
            child.order(DRAIN)
        return self._child is not None

    def _follow(self, child: Child, data: bytes) -> Told | None:
        """How the call ended; None: the child died."""
        try:
            if self._sealed is not None:
                return self._made(*self._sealed)
            if not self._sent:
                self._sent = True
                child.send(wire.CALL, data)
            while True:
                kind, said = child.receive()
                if kind == wire.SAID:
                    self._say(calls.unpack_said(said))
                elif kind == wire.CALLED:
                    self._executor.watch.add(child.pid, self._call.memory_limit or 0, self._over)
                elif kind == wire.LEAVES:
                    child.leaves = True
                    self._pool.heal()
                elif kind == wire.FULL:
                    child.has_begun()  # and will not go on
                    child.kill()
                    return None
                else:
                    return self._made(kind, said)
        except (EOFError, OSError):
            return None
        # Half understood, it cannot be trusted with another call.
        except BaseException as exc:
            child.kill()
            return Raised(exc)

    def _made(self, kind: int, said: bytes) -> Told:
        with self._unstoppable():
            return ENDS[kind](said)

    @contextmanager
    def _unstoppable(self) -> Iterator[None]:
        with self._lock:
            self._is_ours = True
        try:
            yield
        finally:
            self._is_ours = False
