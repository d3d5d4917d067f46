"""The contract holds with everything sealed, but for what a store cannot search then."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend, Query
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.backends.sealed import SealedBackend
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.rules.crypto import Keyring
from fastapi_taskflow.testing.conformance import BackendConformance
from fastapi_taskflow.testing.conformance.harness import accept, end, running, task
from fastapi_taskflow.words.clock import Clock
from fastapi_taskflow.words.states import Move
from tests.support.shops import session_on

KEYRING = Keyring(["the newest of the secrets", "an older of the secrets"])


class Sealed(BackendConformance):
    async def test_text_finds_ids_functions_tags_and_errors(self, backend: Backend) -> None:
        named, failing = task(func_name="abcd.run"), task(queue="q")
        await accept(backend, named)
        await end(backend, await running(backend, failing), Move.FAIL, error="an abcd error")

        page = await backend.search(Query(text="abcd"), limit=9)

        assert [one.record.task_id for one in page.tasks] == [named.task_id]

    async def test_they_are_in_records_and_lists_and_are_searched(self, backend: Backend) -> None:
        lease = await running(backend, task(title="Bill Ada"))
        await end(backend, lease, Move.SUCCEED, summary="sent")

        (found,) = (await backend.search(Query(), limit=9)).tasks

        assert (found.record.title, found.record.summary) == ("Bill Ada", "sent")
        assert (await backend.search(Query(text="Bill"), limit=9)).tasks == []

    @pytest.mark.parametrize("text", ["%", "*", "?", "é", ";--"])
    async def test_text_is_taken_literally(self, backend: Backend, text: str) -> None:
        name, tag = task(func_name=f"{text}f"), task(tags={"k": text})
        await accept(backend, name, tag)
        await end(backend, await running(backend, task(queue="q")), Move.FAIL, error=f"a{text}b")

        page = await backend.search(Query(text=text), limit=9)

        assert [one.record.task_id for one in page.tasks] == [tag.task_id, name.task_id]


class TestSealedMemory(Sealed):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SealedBackend(MemoryBackend(clock=clock), KEYRING)

    def open_second(self, first: Backend, clock: Clock, place: Path) -> Backend:
        return first


@pytest.mark.slow
class TestSealedSqlite(Sealed):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SealedBackend(SqliteBackend(str(place / "tasks.db"), clock=clock), KEYRING)

    def make_session(self, place: Path) -> AbstractContextManager[Any]:
        return session_on(f"sqlite:///{place / 'tasks.db'}")


@pytest.mark.slow
class TestUnsealedMemory(BackendConformance):
    """Without a keyring nothing changes."""

    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SealedBackend(MemoryBackend(clock=clock), None)

    def open_second(self, first: Backend, clock: Clock, place: Path) -> Backend:
        return first
