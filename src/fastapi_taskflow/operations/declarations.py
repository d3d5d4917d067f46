"""How functions become tasks: the decorator, and calls bound apart from options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from fastapi_taskflow.engine.accept.options import asked
from fastapi_taskflow.operations.control import Control
from fastapi_taskflow.rules.calls import TaskCall
from fastapi_taskflow.words.models import TaskConfig

__all__ = ["Declarations"]

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
Errors = type[BaseException] | Sequence[type[BaseException]]


class Declarations(Control):
    """Registering functions; `TaskManager` adds the rest."""

    @overload
    def task(self, func: F, /) -> F: ...

    @overload
    def task(
        self,
        /,
        *,
        executor: str | None = None,
        retries: int = 0,
        delay: float = 0.0,
        backoff: float = 1.0,
        persist: bool = False,
        name: str | None = None,
        requeue_on_interrupt: bool = False,
        eager: bool = False,
        priority: int | None = None,
        queue: str | None = None,
        max_delay: float | None = None,
        jitter: float = 0.0,
        retry_on: Errors = (),
        no_retry_on: Errors = (),
        timeout: float | None = None,
    ) -> Callable[[F], F]: ...

    def task(  # noqa: PLR0913
        self,
        func: Any = None,
        /,
        *,
        executor: str | None = None,
        retries: int = 0,
        delay: float = 0.0,
        backoff: float = 1.0,
        persist: bool = False,
        name: str | None = None,
        requeue_on_interrupt: bool = False,
        eager: bool = False,
        priority: int | None = None,
        queue: str | None = None,
        max_delay: float | None = None,
        jitter: float = 0.0,
        retry_on: Errors = (),
        no_retry_on: Errors = (),
        timeout: float | None = None,
    ) -> Any:
        """Register a function as a task; gives it back unchanged.

        ``@task_manager.task`` alone means ``@task_manager.task()``.

        Args:
            executor: ``"async"``, ``"thread"``, ``"process"``, or a name of the manager's
                ``executors``; None: by the kind of function.
            retries: Attempts after the first one.
            delay: Seconds before the first retry.
            backoff: Factor on the delay for each further retry.
            persist: Durable: stored before the response is sent, survives a crash.
            name: The task's name everywhere; default ``func.__name__``.
            requeue_on_interrupt: Run again if its process dies while it runs; only for
                functions that may run twice. With a backend it makes the task durable.
            eager: Start when it is added, without waiting for the response.
            priority: Higher runs first; with it, the task runs from its queue.
            queue: Name of a configured queue.
            max_delay: Longest delay in seconds.
            jitter: Part of each delay, 0 to 1, that is random.
            retry_on: Only these exceptions are retried.
            no_retry_on: These are not.
            timeout: Seconds that one attempt may take.

        Raises:
            ConfigurationError: settings that cannot work together.
        """
        config = TaskConfig(
            retries,
            delay,
            backoff,
            persist,
            name,
            requeue_on_interrupt,
            eager,
            priority,
            executor,
            queue,
            max_delay,
            jitter,
            retry_on,  # type: ignore[arg-type]  # made a tuple when it is checked
            no_retry_on,  # type: ignore[arg-type]
            timeout,
        )

        def register(func: F) -> F:
            self.registry.register(func, config)
            return func

        return register if func is None else register(func)

    def call(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> TaskCall:
        """Bind arguments apart from options, for ``add_task`` and `enqueue`.

        Raises:
            TaskArgumentError: they do not fit the registered function.
        """
        return asked(self.registry, func, args, kwargs, None)[1]
