"""A process that is stopped while it writes holds locks; its peers take its tasks all the same."""

import asyncio
import socket
import struct
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from fastapi_taskflow import PostgresBackend, StoreUnavailable
from fastapi_taskflow.testing.conformance.harness import A, B, accept, ignore, instance, task
from tests.support.databases import TestDatabase, database
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def server() -> Iterator[TestDatabase]:
    with database("postgresql") as made:
        yield made


class HalfSent:
    """A client of PostgreSQL that stops between the messages of a statement, in a transaction."""

    def __init__(self, url: str, statement: str) -> None:
        address = make_url(url)
        host, port = address.host or "127.0.0.1", address.port or 5432
        self._socket = socket.create_connection((host, port))
        names = {"user": address.username or "postgres", "database": address.database or ""}
        told = b"".join(_text(part) for pair in names.items() for part in pair) + b"\0"
        self._socket.sendall(struct.pack(">ii", len(told) + 8, 196608) + told)
        self._until(b"Z")
        self._send(b"Q", _text("BEGIN"))
        self._until(b"Z")
        # Prepared, bound and executed; what would end it (Sync) is never sent.
        self._send(b"P", _text("") + _text(statement) + b"\0\0")
        self._send(b"B", _text("") * 2 + b"\0" * 6)
        self._send(b"E", _text("") + b"\0" * 4)
        self._send(b"H", b"")
        self._until(b"C")

    def close(self) -> None:
        self._socket.close()

    def _send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack(">i", len(body) + 4) + body)

    def _until(self, wanted: bytes) -> None:
        """Read messages up to one of a kind."""
        while True:
            kind, size = struct.unpack(">ci", self._read(5))
            body = self._read(size - 4)
            assert kind != b"E", body
            if kind == wanted:
                return

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self._socket.recv(size - len(found))
            assert more, "the server is gone"
            found += more
        return found


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


async def test_locks_of_a_stopped_process_do_not_keep_its_tasks(
    server: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("IDLE_SECONDS", "LOCK_SECONDS"):
        monkeypatch.setattr(f"fastapi_taskflow.backends.sql.dialects.postgres.{limit}", 1)
    store = PostgresBackend(server.url)
    await store.open(ignore)
    await store.enlist(instance(A))
    await store.enlist(instance(B))
    held = task(owner=A)
    await accept(store, held)
    stopped = await asyncio.to_thread(HalfSent, server.url, "UPDATE taskflow_tasks SET error = 'x'")

    async def recovered() -> list[str]:
        try:
            return [one.lease.task_id for one in await store.recover(B, A, limit=10)]
        except StoreUnavailable:
            return []

    try:
        assert await wait_until(recovered) == [held.task_id]
    finally:
        stopped.close()
        await store.close()
