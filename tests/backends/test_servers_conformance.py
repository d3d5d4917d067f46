"""The contract, proven on PostgreSQL and MariaDB."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.sql import SqlBackend
from fastapi_taskflow.backends.sql.dialects.mysql import MySQL
from fastapi_taskflow.backends.sql.dialects.postgres import Postgres
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance import BackendConformance
from fastapi_taskflow.testing.places import new_place
from fastapi_taskflow.words.clock import Clock
from tests.support.databases import TestDatabase, database
from tests.support.shops import session_on


class Server(BackendConformance):
    """A store that is emptied before each test, which is far cheaper than a new one."""

    kind: str
    prefix = "taskflow_"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[TestDatabase]:
        with database(cls.kind) as made:
            yield made

    @pytest.fixture
    def place(self, server: TestDatabase) -> Iterator[Path]:
        server.empty()
        self.url = server.url
        with new_place() as name:
            yield Path(name)
        if self.prefix == "absent_":
            # The test itself sees the place alone.
            assert [one for one in server.tables() if one.startswith("absent_")] == []

    def make_session(self, place: Path) -> AbstractContextManager[Any]:
        return session_on(self.url)

    def test_an_examination_makes_no_store(self, clock: ManualClock, place: Path) -> None:
        self.prefix = "absent_"
        super().test_an_examination_makes_no_store(clock, place)

    async def test_an_onlooker_makes_no_store(self, clock: ManualClock, place: Path) -> None:
        self.prefix = "absent_"
        await super().test_an_onlooker_makes_no_store(clock, place)


@pytest.mark.slow
class TestPostgresBackend(Server):
    kind = "postgresql"

    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SqlBackend(Postgres(self.url), table_prefix=self.prefix, clock=clock)


@pytest.mark.slow
class TestMySQLBackend(Server):
    kind = "mysql"

    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SqlBackend(MySQL(self.url), table_prefix=self.prefix, clock=clock)
