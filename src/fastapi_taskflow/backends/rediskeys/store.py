"""The connection to a server, and the keys of one store there. What a client raises ends here."""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis import exceptions as client
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from fastapi_taskflow.backends.base import Grade
from fastapi_taskflow.backends.keeping import Keeper
from fastapi_taskflow.backends.rediskeys.addresses import NO_ADDRESS, address
from fastapi_taskflow.backends.rediskeys.packing import packing
from fastapi_taskflow.backends.rediskeys.rows import Kept
from fastapi_taskflow.backends.rediskeys.scripts import READ, Script
from fastapi_taskflow.backends.serverclock import StoreClock
from fastapi_taskflow.backends.tries import CLOSE_SECONDS, Collided, deadline
from fastapi_taskflow.words import errors
from fastapi_taskflow.words.clock import Clock
from fastapi_taskflow.words.quoting import quoted

__all__ = ["VERSION", "Command", "Store", "grade_of", "refusal_of"]

VERSION = 2
"""Of what is kept under the keys."""

_OLDEST = 7
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
# For one reply; a little less than a verb has. A connection that was idle for as long as a
# firewall may forget it is asked first whether it is still there.
_REPLY_SECONDS, _CONNECT_SECONDS, _IDLE_SECONDS = 14.0, 10.0, 60
_MICROS_PER_SECOND = 1_000_000
# Some more than one process runs at a time; a row is about three kilobytes, beside its payload.
_MOST_KEPT = 2_000

Command = tuple[Any, ...]


class Store:
    """One server, as one backend uses it.

    Args:
        url: Its address.
        prefix: Of all keys.
        clock: For tests, what its own clock goes by. None: the server's.
        pool_size: The most connections at a time, beside those of hints and of the heartbeat.
        looks: Nothing is written.

    Raises:
        ConfigurationError: the address or the prefix cannot be one.

    Attributes:
        name: Of this object, among all that use the store.
        refusal: Why durable tasks cannot be kept there. None: they can.
        keeper: Of tasks as this object wrote them.
    """

    def __init__(
        self, url: str, prefix: str, clock: Clock | None, *, pool_size: int, looks: bool = False
    ) -> None:
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            raise errors.ConfigurationError(
                f"prefix takes letters, digits and any of _.:- (at most 100), got {quoted(prefix)}."
            )
        parts = address(url)
        self.url, self.prefix, self.pool_size, self.looks = url, prefix, pool_size, looks
        self.place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._own_clock = clock
        self.clock = StoreClock(clock)
        self.name = secrets.token_hex(6)
        self.grade = Grade.C
        self._head = "{" + prefix + "}:"
        self.refusal: str | None = None
        self.keeper: Keeper[Kept] = Keeper(_MOST_KEPT)
        self._numbers = itertools.count()
        # Invariant: None until it is opened, and after it was closed.
        self._client: Redis | None = None
        # What cannot be an address is told at once.
        self.connect()

    def onlooker(self) -> Store:
        """The same, to look at."""
        size, clock = self.pool_size, self._own_clock
        return Store(self.url, self.prefix, clock, pool_size=size, looks=True)

    def key(self, name: str) -> str:
        """A key of the store; all are in one slot of a cluster."""
        return self._head + name

    def version(self) -> str:
        """A version that nothing ever had."""
        return f"{self.name}{next(self._numbers):x}"

    def connect(self, size: int | None = None) -> Redis:
        """A client with connections of its own; nothing is connected yet.

        Raises:
            ConfigurationError: the address cannot be one.
        """
        try:
            pool = BlockingConnectionPool.from_url(
                self.url,
                max_connections=size or self.pool_size,
                timeout=_CONNECT_SECONDS,
                socket_timeout=_REPLY_SECONDS,
                socket_connect_timeout=_CONNECT_SECONDS,
                health_check_interval=_IDLE_SECONDS,
                encoding_errors="surrogatepass",
                # Once on a new connection: all that is sent may be sent again.
                retry=Retry(NoBackoff(), 1, (client.ConnectionError,)),
                protocol=2,
            )
        except (ValueError, TypeError) as exc:
            raise errors.ConfigurationError(NO_ADDRESS) from exc
        pool.connection_class = packing(pool.connection_class)
        return Redis.from_pool(pool)

    async def open(self) -> dict[str, Any]:
        """Connect, and make the store if it is not there; what the server `told`."""
        self._client = self.connect()
        try:
            async with deadline(self.place):
                return await self._prepare()
        except BaseException:
            await self._disconnect()
            raise

    async def _prepare(self) -> dict[str, Any]:
        told = await self.told()
        release = str(told.get("redis_version", _OLDEST))
        if int(release.partition(".")[0]) < _OLDEST:
            raise errors.ConfigurationError(
                f"{self.place} is Redis {release}; {_OLDEST}.0 or newer is needed."
            )
        if told.get("role") == "slave":
            raise errors.StoreUnavailable(
                f"{self.place} is a replica, which takes no tasks. Give the address of the primary."
            )
        self.grade, self.refusal = grade_of(told), refusal_of(told, self.place)
        version, at = await self.known()
        if version is None and self.looks:
            raise errors.StoreUnavailable(f"{self.place} has no keys {self._head}... of a store.")
        if version is not None and version > VERSION:
            raise errors.ConfigurationError(
                f"The tasks under {self._head} at {self.place} are of a newer release."
            )
        if version != VERSION and not self.looks:
            await self.read(("HSET", self.key("store"), "version", VERSION))
        self.clock.reach(at)
        return told

    async def known(self) -> tuple[int | None, int]:
        """The version of what is stored, None where nothing is, and the latest time it showed."""
        ((version, at),) = await self.read(("HMGET", self.key("store"), "version", "clock"))
        return None if version is None else int(version), int(at or 0)

    async def told(self) -> dict[str, Any]:
        """What the server says of itself, and ``appendfsync`` if it tells."""
        found: dict[str, Any] = await self.answered(lambda redis: redis.info())
        try:
            async with self._translated():
                asked: Any = await self._open().config_get("appendfsync", "maxmemory-policy")
        except errors.StoreUnavailable:
            # Who rents a server may not ask.
            return found
        return {**found, **asked}

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None and not self.looks:
            try:
                async with deadline(self.place, CLOSE_SECONDS):
                    await self.note_time()
            except errors.StoreUnavailable:
                # It is not there any more: nothing is lost by it.
                pass
        await self._disconnect()

    async def _disconnect(self) -> None:
        opened, self._client = self._client, None
        if opened is not None:
            await opened.aclose()

    async def note_time(self, *, on: Redis | None = None) -> None:
        """Keep the time: who opens the store later shows no earlier one."""
        await self.read(("HSET", self.key("store"), "clock", self.clock.micros()), on=on)

    async def set_clock(self) -> None:
        """Ask the server for the time, now and then."""
        while self.clock.is_stale:
            since = time.monotonic()
            ((seconds, micros),) = await self.read(("TIME",))
            took = time.monotonic() - since
            self.clock.learn(int(seconds) * _MICROS_PER_SECOND + int(micros), took=took)

    async def read(self, *commands: Command, on: Redis | None = None) -> list[Any]:
        """The replies of commands, all of one instant."""
        args = [part for one in commands for part in (len(one), *one)]
        found: list[Any] = await self.run(READ, *args, on=on) if args else []
        return found

    async def run(self, script: Script, *args: Any, on: Redis | None = None) -> Any:
        """What a script answers."""

        async def ask(redis: Redis) -> Any:
            try:
                return await redis.evalsha(script.name, 1, self._head, *args)
            except client.NoScriptError:
                return await redis.eval(script.text, 1, self._head, *args)

        return await self.answered(ask, on=on)

    async def answered(
        self, ask: Callable[[Redis], Awaitable[Any]], *, on: Redis | None = None
    ) -> Any:
        """What the server answers to a question."""
        async with self._translated():
            return await ask(on or self._open())

    def _open(self) -> Redis:
        if self._client is None:
            raise errors.StoreUnavailable(f"{self.place} is not open.")
        return self._client

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except client.OutOfMemoryError as exc:
            raise errors.StoreFull(f"The memory of {self.place} is full: {exc}") from exc
        except client.ReadOnlyError as exc:
            # Since a failover another one writes, which new connections find.
            await self._open().connection_pool.disconnect(inuse_connections=False)
            raise Collided(f"{self.place} may only be read: {exc}") from exc
        except client.DataError as exc:
            raise errors.TaskArgumentError(f"{self.place} cannot store a value: {exc}") from exc
        except client.RedisError as exc:
            text = str(exc)
            if text.startswith(("OOM", "-OOM")):
                raise errors.StoreFull(f"The memory of {self.place} is full: {exc}") from exc
            kind = Collided if text.startswith("BUSY ") else errors.StoreUnavailable
            raise kind(f"{self.place} did not answer: {exc}") from exc
        except OSError as exc:
            raise errors.StoreUnavailable(f"{self.place} cannot be reached: {exc}") from exc


def grade_of(told: dict[str, Any]) -> Grade:
    """What the server's settings make of a committed write."""
    if not int(told.get("aof_enabled", 0)):
        return Grade.C
    return Grade.A if told.get("appendfsync") == "always" else Grade.B


def refusal_of(told: dict[str, Any], place: str) -> str | None:
    """Why durable tasks cannot be kept on a server that may forget keys."""
    policy = told.get("maxmemory_policy") or told.get("maxmemory-policy") or "noeviction"
    if policy == "noeviction":
        return None
    return (
        f"{place} has maxmemory-policy {policy}: it deletes keys when its memory is full, so a "
        "durable task could be lost. Set maxmemory-policy noeviction (CONFIG SET maxmemory-policy "
        "noeviction, and in redis.conf), or use a server of its own for tasks."
    )
