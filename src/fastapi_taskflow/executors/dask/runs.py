"""One call on the cluster: where it begins, and how it ends.

Invariant: ``token`` is of the one Dask task that was let go on; None: there is none, and the call
can be taken back or submitted again. As long as it is set the call has begun: what does not end
there is lost.
"""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import Protocol

from fastapi_taskflow.executors.base import Call, OnEnd, Reason, Told
from fastapi_taskflow.executors.dask.far import DRAIN, GO, LOOK, NO
from fastapi_taskflow.executors.dask.parcels import Parcel
from fastapi_taskflow.executors.sending import calls, ends
from fastapi_taskflow.rules.ends import Lost, Raised, Stopped
from fastapi_taskflow.words.said import Say

__all__ = ["DaskRun"]

# Times that Dask may lose a call before it begins.
_TRIES = 5
# Looks that find nothing of a call whose end has not come; it may be on its way.
_MISSED = 2


class Cluster(Protocol):
    """What a run asks of the link; from any thread."""

    draining: bool

    def say(self, address: str, token: str, word: str) -> None:
        """Say something to an attempt."""

    def again(self, run: DaskRun) -> None:
        """Submit it, now or when there is a connection."""

    def over(self, run: DaskRun) -> None:
        """It has ended; the cluster may forget it."""


class DaskRun:
    """A run. `stop` is for the engine's loop, `fail` for any thread, the rest for the link's."""

    def __init__(self, call: Call, key: str, ended: OnEnd, say: Say, cluster: Cluster) -> None:
        self.call = call
        self.key = key
        # Where it runs, once it has begun.
        self.address: str | None = None
        # Waits for its Dask task; None: none is submitted.
        self.watcher: asyncio.Task[None] | None = None
        self.parcel: Parcel | None = None
        self._ended = ends.reporting(ended, say)
        self._say = say
        self._cluster = cluster
        # Protects token, reason and told, on which the link's loop and the engine's agree.
        self._lock = Lock()
        self.token: str | None = None
        self.reason: Reason | None = None
        self.told = False
        self.tries = 0
        self._missed = 0
        # Seconds since its worker was heard of.
        self._silent = 0.0

    def stop(self, reason: Reason) -> bool:
        """See `Run.stop`: what has begun is only asked."""
        with self._lock:
            self.reason = reason
            begun = self.token
        if begun is None:
            self.end(Stopped())
            return True
        self._cluster.say(self.address or "", begun, reason)
        return False

    def drain(self) -> None:
        if self.token is not None and self.address is not None:
            self._cluster.say(self.address, self.token, DRAIN)

    def asked(self, token: str, address: str, tries: int) -> None:
        """A Dask task would begin it: the first one may."""
        now = tries == self.tries
        with self._lock:
            first = now and self.token is None and not self.told and self.reason is None
            if first:
                self.token, self.address = token, address
        self._cluster.say(address, token, GO if first else NO)
        if first and self._cluster.draining:
            self.drain()
        elif now and not first:
            # Dask does it again, because it has lost who did it.
            self.lose(f"its Dask worker {self.address} was lost")

    def said(self, token: str, lines: list[bytes], over: tuple[int, bytes] | None) -> None:
        """Its function logged, or has ended."""
        if token != self.token or self.told:
            return
        self._silent = 0.0
        for line in lines:
            self._say(calls.unpack_said(line))
        if over is not None:
            self.gave(over)

    def gave(self, over: tuple[int, bytes]) -> None:
        """How its function ended, as it was packed there."""
        kind, sent = over
        self.end(ends.UNPACK[kind](sent))

    def unanswered(self) -> None:
        """Its Dask task has ended without a call of the function."""
        with self._lock:
            self.token = None
        self.dropped("its Dask worker was not answered when it was about to begin")

    def heard(self, token: str, *, there: bool) -> None:
        """Its worker has answered."""
        if token != self.token:
            return
        self._silent = 0.0
        if there:
            self._missed = 0
        else:
            self.missed(f"its Dask worker {self.address} knows nothing of it any more")

    def missed(self, how: str) -> None:
        """Nothing is left of it; if it has ended, its end is on its way."""
        self._missed += 1
        if self._missed > _MISSED:
            self.lose(how)

    def wait(self, seconds: float, most: float) -> None:
        """Time has passed; ``most`` is what a worker may be silent."""
        if self.token is None or self.address is None:
            return
        self._silent += seconds
        if self._silent > most:
            self.lose(f"its Dask worker {self.address} was silent for {most:g} s")
        elif self._silent > most / 4:
            self._cluster.say(self.address, self.token, LOOK)

    def dropped(self, how: str, error: Exception | None = None) -> None:
        """Dask has given it up."""
        self.tries += 1
        if self.token is not None:
            self.lose(how)
        elif self.tries < _TRIES:
            self._cluster.again(self)
        else:
            self.fail(error or RuntimeError(f"Not begun: {how}"))

    def lose(self, how: str) -> None:
        """It has begun, and its end will not be known."""
        token, address = self.token, self.address
        if token is not None and address is not None and not self.told:
            # Should it live on, it may learn that it is for nobody.
            self._cluster.say(address, token, "lost")
            self.end(Lost(how))

    def fail(self, error: BaseException) -> None:
        self.end(Raised(error))

    def forget(self) -> None:
        """Nobody needs what is on the cluster of it."""
        self.parcel = None
        if self.watcher is not None:
            self.watcher.cancel()

    def end(self, told: Told) -> None:
        with self._lock:
            if self.told:
                return
            self.told = True
        self._cluster.over(self)
        self._ended(told)
