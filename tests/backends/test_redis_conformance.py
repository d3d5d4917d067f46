"""The contract, proven on Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.rediskeys import RedisStore, Store
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance import BackendConformance
from fastapi_taskflow.testing.places import new_place
from fastapi_taskflow.words.clock import Clock
from tests.support.redisserver import TestRedis, redis_server


@pytest.mark.slow
class TestRedisBackend(BackendConformance):
    """A store whose keys are deleted before each test."""

    suffix = ""

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[TestRedis]:
        with redis_server() as made:
            yield made

    @pytest.fixture
    def place(self, server: TestRedis) -> Iterator[Path]:
        server.empty()
        self.url, self.prefix = server.url, server.prefix + self.suffix
        with new_place() as name:
            yield Path(name)
        if self.suffix:
            # The test itself sees the place alone.
            assert server.keys(self.prefix + self.suffix) == []

    def make_backend(self, clock: Clock, place: Path) -> Backend:
        store = Store(self.url, self.prefix + self.suffix, clock, pool_size=10)
        return RedisStore(store)

    def test_an_examination_makes_no_store(self, clock: ManualClock, place: Path) -> None:
        self.suffix = "absent"
        super().test_an_examination_makes_no_store(clock, place)

    async def test_an_onlooker_makes_no_store(self, clock: ManualClock, place: Path) -> None:
        self.suffix = "absent"
        await super().test_an_onlooker_makes_no_store(clock, place)
