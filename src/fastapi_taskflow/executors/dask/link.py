"""All calls that are on the cluster, and a look at it every second.

A scheduler that goes away takes with it what has begun, as nobody will tell of its end. What has
not waits, and is submitted again to the one that answers next.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import CancelledError
from contextlib import suppress
from itertools import count
from typing import Any

from distributed import Client, KilledWorker

from fastapi_taskflow._version import __version__
from fastapi_taskflow.executors.base import Call, OnEnd
from fastapi_taskflow.executors.daemons import DaemonThreads
from fastapi_taskflow.executors.dask.connection import Connection
from fastapi_taskflow.executors.dask.far import NO, UNANSWERED
from fastapi_taskflow.executors.dask.parcels import packed
from fastapi_taskflow.executors.dask.places import future_gone, not_found
from fastapi_taskflow.executors.dask.post import Post
from fastapi_taskflow.executors.dask.runs import DaskRun
from fastapi_taskflow.words.said import Say

__all__ = ["Link"]

logger = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_CLOSE_SECONDS = 0.5
_PACKERS = 2
# Dask's reason.
_NO_FUTURE = "lost dependencies"
# The Dask task, as the text of an expression: a name of ours would be imported by the scheduler,
# and by a worker's event loop, which ends the worker if it has no such module.
_WORK = "__import__('fastapi_taskflow.executors.dask.far', fromlist=['work']).work(*given)"


class Link:
    """From `open` to `close`, once.

    Args:
        dask: An address, or somebody else's client.
        ttl: Seconds of silence after which a worker counts as dead.
    """

    def __init__(self, dask: str | Client, ttl: float) -> None:
        self._ttl = ttl
        self._tick = min(_TICK_SECONDS, ttl / 4)
        self._connection = Connection(dask, self._heard)
        # By key, those that have not ended. Changed on any thread, in single steps.
        self._runs: dict[str, DaskRun] = {}
        self._keys = count(1)
        self._posts: dict[str, Post] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._guard: asyncio.Task[None] | None = None
        self._packers = DaemonThreads(_PACKERS, name="taskflow-dask")
        self._closed = False
        self.draining = False
        self.threads = 0

    async def open(self) -> None:
        """As `Connection.open`."""
        try:
            await self._connection.open()
            await self._connection.there(self._start)
        except BaseException:
            await self.close()
            raise
        self._guard = asyncio.get_running_loop().create_task(self._watch_client())

    async def close(self) -> None:
        """Let go of what still runs, and of the connection if it is ours."""
        self._closed = True
        if self._guard is not None:
            self._guard.cancel()
        self._packers.close()
        with suppress(Exception):  # it may be broken
            await self._connection.there(self._stop)
        await self._connection.close()

    def runs(self) -> list[DaskRun]:
        """Those that have not ended."""
        return list(self._runs.values())

    def take(self, call: Call, ended: OnEnd, say: Say) -> DaskRun:
        """Send a call to the cluster."""
        key = f"{call.func_name}-{call.task_id}-{next(self._keys)}"
        run = DaskRun(call, key, ended, say, self)
        self._runs[key] = run
        try:
            self._packers.submit(lambda: self._pack(run))
        except BaseException:
            del self._runs[key]
            raise
        return run

    def drain(self) -> None:
        self.draining = True
        for run in self.runs():
            run.drain()

    def say(self, address: str, token: str, word: str) -> None:
        self._connection.soon(self._say, address, token, word)

    def again(self, run: DaskRun) -> None:
        self._connection.soon(self._submit, run)

    def over(self, run: DaskRun) -> None:
        self._runs.pop(run.key, None)
        self._connection.soon(run.forget)

    async def _watch_client(self) -> None:
        """On the engine's loop, as a client that is closed may take its own with it."""
        while True:
            await asyncio.sleep(self._tick)
            if self._connection.is_over():
                self.threads = 0
                for run in self.runs():
                    error = ConnectionError("The Dask client that the manager was given is closed")
                    run.fail(error)

    def _pack(self, run: DaskRun) -> None:
        """On a thread: it may take long, and is code of the user's."""
        try:
            run.parcel = packed(run.call, self._connection.client)
        except BaseException as exc:
            run.fail(exc)
        else:
            self.again(run)

    # From here on everything is on the client's loop.

    async def _start(self) -> None:
        self._connection.is_up()
        await self._count()
        self._tasks.add(asyncio.get_running_loop().create_task(self._keep()))

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._runs.clear()
        # Whoever would begin is told that it may not.
        sending = [post.task for post in self._posts.values() if post.task is not None]
        if sending:
            await asyncio.wait(sending, timeout=_CLOSE_SECONDS)
        for task in sending:
            task.cancel()

    def _submit(self, run: DaskRun) -> None:
        waits = run.parcel is not None and run.token is None and run.watcher is None
        if run.told or self._closed or not waits or not self._connection.is_up():
            return  # `_keep` comes to it
        about = self._connection.topic, run.key, run.tries, _level()
        sent, arguments, futures = run.parcel or (b"", b"", [])
        try:
            future = self._connection.client.submit(
                *(eval, _WORK, {"given": [__version__, about, sent, arguments, *futures]}),
                key=f"{run.key}-{run.tries}",
                retries=0,
                pure=False,
            )
        # Futures of a cluster that is no more, or of another one.
        except Exception as exc:
            run.fail(exc)
            return
        run.watcher = asyncio.get_running_loop().create_task(self._watch(run, future))
        self._tasks.add(run.watcher)
        run.watcher.add_done_callback(self._tasks.discard)

    async def _watch(self, run: DaskRun, future: Any) -> None:
        """Wait for the end of a Dask task; most ends have come as events by then."""
        try:
            given = await future
        except (KilledWorker, CancelledError) as exc:
            run.watcher = None
            if getattr(exc, "reason", None) == _NO_FUTURE and run.token is None:
                run.fail(future_gone())
            else:
                run.dropped(f"Dask gave it up: {str(exc).partition(chr(10))[0]}", exc)
        except ModuleNotFoundError as exc:
            run.fail(not_found(exc, "a Dask worker"))
        # The worker cannot take what was sent.
        except Exception as exc:
            run.fail(exc)
        else:
            run.watcher = None
            if given == UNANSWERED:
                run.unanswered()
            elif given is not None:
                run.gave(given)
            else:
                run.lose("its end did not come")
        finally:
            future.release()

    def _heard(self, event: tuple[float, Any]) -> None:
        """A worker said something."""
        _, said = event
        run = self._runs.get(said["key"])
        try:
            if "asks" in said:
                if run is None:
                    self._say(said["at"], said["token"], NO)
                else:
                    run.asked(said["token"], said["at"], said["asks"])
            elif run is not None:
                run.said(said["token"], said["said"], said.get("over"))
        # Half understood, its end will not be.
        except Exception as exc:
            logger.exception("What a Dask worker said cannot be understood")
            if run is not None:
                run.fail(exc)

    def _say(self, address: str, token: str, word: str) -> None:
        post = self._posts.get(address)
        if post is None:
            post = self._posts[address] = Post(
                self._connection.client,
                address,
                self._ttl,
                answered=self._answered,
                idle=self._posts.__delitem__,
            )
        post.say(token, word)

    def _answered(self, token: str, there: bool) -> None:
        run = self._runs.get(token.rpartition("/")[0])
        if run is not None:
            run.heard(token, there=there)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(self._tick)
            # A process that was stopped itself has not heard of anybody.
            passed, last = min(loop.time() - last, 2 * self._tick), loop.time()
            try:
                await self._look(passed)
            # The connection may be back at the next look.
            except Exception as exc:
                logger.debug("The Dask cluster cannot be looked at: %s", exc)

    async def _look(self, passed: float) -> None:
        for run in self.runs():
            run.wait(passed, self._ttl)
        await self._connection.renew()
        for run in self.runs():
            self._submit(run)
        await self._count()

    async def _count(self) -> None:
        """How many threads there are, and whose workers are gone."""
        if not self._connection.is_up():
            self.threads = 0
            return
        async with asyncio.timeout(self._tick):
            found = await self._connection.client.nthreads()
        self.threads = sum(found.values())
        for run in self.runs():
            if run.address is not None and run.address not in found:
                run.missed(f"its Dask worker {run.address} is gone")


def _level() -> int:
    return logging.getLogger().getEffectiveLevel()
