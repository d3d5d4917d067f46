"""What is said of an event loop that does not answer."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from fastapi_taskflow import TaskManager
from fastapi_taskflow.engine.fleet import presence

Make = Callable[..., TaskManager]


class Complaint(logging.Handler):
    """Hears of the first complaint, from whatever thread."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
        self.heard.set()


@pytest.fixture
def complaint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Complaint]:
    monkeypatch.setattr(presence, "_BLOCKED_SECONDS", 0.05)
    handler = Complaint()
    presence.logger.addHandler(handler)
    yield handler
    presence.logger.removeHandler(handler)


async def test_a_task_that_blocks_the_loop_is_named_with_its_line(
    manager: Make, complaint: Complaint
) -> None:
    tasks = manager(heartbeat_interval=0.1)

    def sleep_well() -> None:
        complaint.heard.wait(60)

    @tasks.task
    async def impolite() -> None:
        sleep_well()

    async with tasks:
        await tasks.enqueue(impolite)
        await asyncio.to_thread(complaint.heard.wait, 60)

    (told, *_) = complaint.texts
    assert "event loop has been blocked for" in told
    assert "is in: impolite (test_presence.py:" in told
    assert " > sleep_well (test_presence.py:" in told
    assert "asyncio.to_thread" in told


async def test_a_loop_that_others_block_is_told_of_too(manager: Make, complaint: Complaint) -> None:
    async with manager(heartbeat_interval=0.1):
        complaint.heard.wait(60)

    (told, *_) = complaint.texts
    assert "test_a_loop_that_others_block_is_told_of_too (test_presence.py:" in told
