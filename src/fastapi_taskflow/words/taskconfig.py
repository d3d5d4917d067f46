"""`TaskConfig`: what ``@task_manager.task()`` says of a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi_taskflow.words.conflicts import OnConflict
from fastapi_taskflow.words.rates import Limit, Rate, limit_of, rate_of

__all__ = ["TaskConfig"]


@dataclass
class TaskConfig:
    """Settings of a registered function; made by ``@task_manager.task()``.

    Spans are float seconds, ``memory_limit`` is in bytes. ``retries`` counts attempts after the
    first.
    """

    retries: int = 0
    delay: float = 0.0
    backoff: float = 1.0
    persist: bool = False
    name: str | None = None
    requeue_on_interrupt: bool = False
    eager: bool = False
    priority: int | None = None
    executor: str | None = None
    # Beyond the specification
    queue: str | None = None
    max_delay: float | None = None
    jitter: float = 0.0
    retry_on: tuple[type[BaseException], ...] = ()
    no_retry_on: tuple[type[BaseException], ...] = ()
    timeout: float | None = None
    memory_limit: int | None = None
    result_ttl: float | None = None
    global_concurrency: int | None = None
    rate_limit: str | None = None
    title: str | Callable[..., str] | None = None
    key: str | Callable[..., Any] | None = None
    on_conflict: OnConflict = "queue"
    key_rate_limit: str | None = None

    @property
    def is_limited(self) -> bool:
        """Its tasks are held to a limit over all instances, or to an order."""
        # Asked several times of each task: `any` takes four times as long.
        return (
            self.global_concurrency is not None
            or self.rate_limit is not None
            or self.key is not None
        )

    @property
    def limit(self) -> Limit | None:
        """That limit."""
        return limit_of(self.global_concurrency, self.rate_limit)

    @property
    def key_rate(self) -> Rate | None:
        """The rate of each of its keys."""
        return None if self.key_rate_limit is None else rate_of(self.key_rate_limit)

    @property
    def is_stored(self) -> bool:
        """Its tasks are accepted when a store has them."""
        return self.persist or self.requeue_on_interrupt or self.is_limited
