"""How functions become tasks: the decorator, and calls bound apart from options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, ParamSpec, TypeVar, overload

from fastapi_taskflow.engine.accept.options import asked
from fastapi_taskflow.operations.control import Control
from fastapi_taskflow.operations.declaring import declare
from fastapi_taskflow.rules.calls import TaskCall
from fastapi_taskflow.words.conflicts import OnConflict
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
        memory_limit: int | str | None = None,
        result_ttl: float | None = None,
        global_concurrency: int | None = None,
        rate_limit: str | None = None,
        title: str | Callable[..., str] | None = None,
        key: str | Callable[..., Any] | None = None,
        on_conflict: OnConflict = "queue",
        key_rate_limit: str | None = None,
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
        memory_limit: int | str | None = None,
        result_ttl: float | None = None,
        global_concurrency: int | None = None,
        rate_limit: str | None = None,
        title: str | Callable[..., str] | None = None,
        key: str | Callable[..., Any] | None = None,
        on_conflict: OnConflict = "queue",
        key_rate_limit: str | None = None,
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
            memory_limit: What its child process may hold, as bytes or a text such as ``"512MB"``;
                the attempt fails that needs more. For ``executor="process"``.
            result_ttl: Seconds after its end for which what it returned is kept; None: as long
                as its record; 0: it is not stored.
            global_concurrency: Tasks of this function that all instances together hold or run
                at a time. With it, or with a rate, its tasks are stored first.
            rate_limit: Starts in all instances together, retries too: ``"100/m"`` are 100 at
                once and then one every 0.6 seconds; ``s``, ``m``, ``h`` or ``d``.
            title: What people read of a task instead of its function's name, up to 200
                characters: a format over its parameters, ``"Invoice {invoice_id}"``, or a
                function of the same arguments. Secrets are hidden; what fails in it costs the
                title alone.
            key: Tasks of one key run one at a time and in order, over all instances: a
                parameter's name or a function of the same arguments; or mark the parameter as
                ``Annotated[int, Key()]``. Tasks whose key is None have none. Keys are text,
                numbers, dates or UUIDs of up to 128 characters, stored in clear.
            on_conflict: Where a live task of its key exists, a new one waits behind it
                (``"queue"``), is dropped for it (``"drop"``), cancels those that wait
                (``"replace"``), or asks the running one to end as well
                (``"cancel_running"``).
            key_rate_limit: Starts for each key of its own, as ``rate_limit`` has them for all.

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
            memory_limit,  # type: ignore[arg-type]  # made bytes when it is checked
            result_ttl,
            global_concurrency,
            rate_limit,
            title,
            key,
            on_conflict,
            key_rate_limit,
        )

        def register(func: F) -> F:
            self.registry.register(func, config)
            return func

        return register if func is None else register(func)

    def schedule(  # noqa: PLR0913
        self,
        *,
        every: float | None = None,
        cron: str | None = None,
        retries: int = 0,
        delay: float = 0.0,
        backoff: float = 1.0,
        name: str | None = None,
        run_on_startup: bool = False,
        timezone: str = "UTC",
        executor: str | None = None,
        queue: str | None = None,
        misfire: Literal["latest", "all", "skip"] = "latest",
        overlap: Literal["allow", "skip", "queue"] = "allow",
        priority: int | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        jitter: float = 0.0,
        grace: float | None = None,
    ) -> Callable[[F], F]:
        """Run a function again and again, once for each slot over all instances.

        Give one of ``every`` and ``cron``. Several may stand above one function, each with a
        name. A function that is no task yet becomes one, with the settings given here.

        Args:
            every: Seconds. Slots are multiples of it since 1970, or since ``start``.
            cron: Five fields, six that begin with seconds, or an alias such as ``@daily``.
            retries, delay, backoff, executor: As `task` has them.
            name: The schedule's; default the task's.
            run_on_startup: Run it also when the app starts.
            timezone: Of a cron expression, such as ``"Europe/Berlin"``.
            queue: Name of a configured queue; default the task's.
            misfire: Of slots that nobody was there to run, run the latest (if it is not older
                than ``grace``), all (up to 1,000), or none.
            overlap: While the last run goes on, run the next beside it, not at all, or after it.
            priority: Higher runs first; default the task's.
            args, kwargs: What the function is called with.
            start, end: The first and the last slot are not before and not after.
            jitter: Seconds, up to which each run comes later than its slot.
            grace: Seconds that a missed slot may be late; None: up to the next slot, at most an
                hour.

        Raises:
            ConfigurationError: it cannot be, or the name is taken.
            TaskArgumentError: the arguments do not fit the function, or cannot be stored.
        """
        settings = TaskConfig(retries, delay, backoff, executor=executor)
        given = {
            "every": every,
            "cron": cron,
            "name": name,
            "run_on_startup": run_on_startup,
            "timezone": timezone,
            "queue": queue,
            "misfire": misfire,
            "overlap": overlap,
            "priority": priority,
            "args": args,
            "kwargs": {} if kwargs is None else kwargs,
            "start": start,
            "end": end,
            "jitter": jitter,
            "grace": grace,
        }

        def register(func: F) -> F:
            most = self.runtime.settings.max_payload_bytes
            declare(self.registry, func, settings, given, most_bytes=most)
            return func

        return register

    def call(self, func: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> TaskCall:
        """Bind arguments apart from options, for ``add_task`` and `enqueue`.

        Raises:
            TaskArgumentError: they do not fit the registered function.
        """
        return asked(self.registry, func, args, kwargs, None)[1]
