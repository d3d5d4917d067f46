"""What MariaDB and MySQL would cut the connection for is refused before it is sent."""

import asyncio
from collections.abc import Iterator

import pytest

from fastapi_taskflow import Enqueued, TaskArgumentError, TaskManager
from tests.support.databases import database

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def url() -> Iterator[str]:
    with database("mysql") as made:
        yield made.url


async def test_what_is_larger_than_a_packet_is_refused_at_once(url: str) -> None:
    tasks = TaskManager(snapshot_backend=url, max_payload_bytes=64_000_000)

    @tasks.task(persist=True)
    async def note(text: str) -> int:
        return len(text)

    async with tasks:
        large = "x" * 17_000_000
        refused, *small = await asyncio.gather(
            *(tasks.enqueue(note, text) for text in (large, "x", "xx", "xxx")),
            return_exceptions=True,
        )

        assert isinstance(refused, TaskArgumentError)
        assert "max_allowed_packet" in str(refused)
        stored = [one for one in small if isinstance(one, Enqueued)]
        assert [await tasks.result(one.task_id) for one in stored] == [1, 2, 3]
