"""A failover: the server that wrote may only be read, and new connections find one that writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from tests.support.waiting import wait_until
from trust.ownserver import OwnServer
from trust.ownstores import ask
from trust.proxy import Proxy
from trust.servers import OwnRedis, own_server
from trust.stores import kind_of

__all__ = ["failed_over"]


@asynccontextmanager
async def failed_over(
    server: OwnServer, proxy: Proxy, store: str, kept: ExitStack
) -> AsyncIterator[None]:
    """In the block nothing can be written. Afterwards it can, on connections made since then.

    Args:
        kept: Ends what is needed for as long as the store is used.
    """
    if isinstance(server, OwnRedis):
        async with _replaced(server, proxy, kept):
            yield
        return
    begin, end = _STATEMENTS[kind_of(store)]
    name = store.rpartition("/")[2]
    await ask(server.url, begin.format(name))
    # They are connections to the former primary from here on, for as long as they are kept.
    proxy.cut()
    try:
        yield
    finally:
        await ask(server.url, end.format(name))


# Of new sessions: those of before stay as they are.
_STATEMENTS = {
    "postgresql": (
        "ALTER DATABASE {} SET default_transaction_read_only TO on",
        "ALTER DATABASE {} RESET default_transaction_read_only",
    ),
    "mysql": (
        "SET GLOBAL init_connect = 'SET SESSION TRANSACTION READ ONLY'",
        "SET GLOBAL init_connect = ''",
    ),
}


@asynccontextmanager
async def _replaced(server: OwnRedis, proxy: Proxy, kept: ExitStack) -> AsyncIterator[None]:
    """By a replica, which new connections find once it has been promoted."""
    other = kept.enter_context(own_server("redis"))
    assert isinstance(other, OwnRedis)
    other.ask("REPLICAOF", "127.0.0.1", server.port)
    await wait_until(lambda: "'connected'" in other.ask("ROLE"))
    kept.callback(server.ask, "REPLICAOF", "NO", "ONE")
    server.ask("REPLICAOF", "127.0.0.1", other.port)
    yield
    other.ask("REPLICAOF", "NO", "ONE")
    proxy.target = other.port
