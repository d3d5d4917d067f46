"""`RedisBackend`: tasks in Redis, for any number of machines."""

from __future__ import annotations

from fastapi_taskflow.backends.extras import ByExtra, driver
from fastapi_taskflow.words.clock import Clock

__all__ = ["RedisBackend"]


class RedisBackend(ByExtra):
    """Durable tasks in Redis (7.0 or newer), shared by all that use it.

    How durable they are is the server's to say: `grade` has it once it is open. Durable tasks
    are refused by a server that deletes keys when its memory is full.

    Args:
        url: Such as ``redis://user:password@host:6379/0``, ``rediss://...`` for TLS. Options of
            redis-py may follow: ``?ssl_ca_certs=/etc/ca.pem``.
        prefix: Starts the names of all keys, which are in one slot of a cluster. Letters, digits
            and any of ``_.:-``.
        pool_size: The most connections at a time, beside one for hints and one for a moment per
            heartbeat.
        clock: For tests, what the store's own clock goes by. None: the server's.

    Raises:
        ConfigurationError: an address of something else, or a prefix that cannot be one.
        ImportError: the extra ``redis`` is not installed.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        prefix: str = "fastapi_taskflow",
        *,
        pool_size: int = 10,
        clock: Clock | None = None,
    ) -> None:
        keys = driver("rediskeys", extra="redis", needs="redis")
        super().__init__(keys.RedisStore(keys.Store(url, prefix, clock, pool_size=pool_size)))
