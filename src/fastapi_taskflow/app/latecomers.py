"""Commits that no request waits for: of tasks that were added after theirs had ended."""

from __future__ import annotations

import logging
from concurrent.futures import Future

from fastapi_taskflow.words.errors import RequestClosed

__all__ = ["log_failure", "refusal"]

logger = logging.getLogger(__name__)


def refusal(name: str) -> RequestClosed:
    """What is said of a durable task that is added on the event loop."""
    return RequestClosed(
        f"Task {name!r} is durable and was added on the event loop after its request had ended, "
        "where nothing waits for its commit. Use: await task_manager.enqueue(...)"
    )


def log_failure(future: Future[None]) -> None:
    """Nobody can be told of it."""
    if not future.cancelled() and (error := future.exception()) is not None:
        logger.error("A task added after its request could not be stored", exc_info=error)
