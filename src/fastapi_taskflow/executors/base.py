"""The port of executors: the places where the functions of tasks run.

An executor gets a `Call`, which is data, runs its function once, and tells how that ended.
Which attempt it is, when it has to stop and what follows from its end is the engine's.

A manager knows an executor by the name that it is given there, ``executors={"gpu": ...}``;
it has none of its own, so that one class can serve several pools. The contract is
`fastapi_taskflow.testing.conformance.ExecutorConformance`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any, Literal, NamedTuple, Protocol

from fastapi_taskflow.rules.ends import Lost, Raised, Returned, Stopped
from fastapi_taskflow.rules.placing import check_plain
from fastapi_taskflow.words.said import Say

__all__ = ["Call", "Executor", "OnEnd", "Reason", "Run", "Told"]

Reason = Literal["cancel", "timeout", "drain", "lost"]
"""Why a run is to stop: somebody asked for it, its time is over, the drain's time is over, or
another instance has the task."""

Told = Returned | Raised | Stopped | Lost
"""How a run ended, as far as its executor knows. `Stopped`: because `Run.stop` ended it;
`Lost`: what it ran in died."""

OnEnd = Callable[[Told], None]


class Call(NamedTuple):
    """One run of a task's function, as data. Pickled, it leaves its context behind.

    Attributes:
        func_name: The task's name, under which a registered function is known everywhere.
        context: The context variables of whoever added the task; the run's own copy.
        timeout: Seconds after which the engine stops the run; None: it does not.
        attempt: Attempts that failed before this one.
        at_once: Somebody waits for the end: what need not wait may run within `Executor.run`.
        memory_limit: Bytes that what it runs in may hold; None: any number. For an executor
            to keep, if it can.
    """

    func_name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    context: Context
    task_id: str
    attempt: int = 0
    tags: Mapping[str, str] = {}
    fence: int = 0
    timeout: float | None = None
    at_once: bool = False
    memory_limit: int | None = None
    batch_id: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._replace(context=None)._asdict(),)  # type: ignore[arg-type]


def _unpickled(fields: dict[str, Any]) -> Call:
    return Call(**{**fields, "context": Context()})


class Run(Protocol):
    """A call under way."""

    def stop(self, reason: Reason) -> bool:
        """End the run, if that can be done; its end is told as ever. On the event loop.

        Called once at most, and never after the end was told there.

        Returns:
            False: it cannot be ended. The function may look (`TaskContext.cancelled`), and
            the run goes on, with its slot, until it returns. The attempt is over by then,
            except where ``reason`` is ``"cancel"``.
        """


class Executor(ABC):
    """Runs functions of tasks. Made without an event loop; opened by one engine at a time.

    Attributes:
        slots: How many runs it takes at a time; None: any number. The engine keeps to it. A
            run has its slot until its end is told. It may change while it is open: fewer stop
            nothing, more are noticed within a second.
        draining: The engine stops soon: `TaskContext.stopping` says so.
        home: The event loop on which an engine has it open; None: it is not.
    """

    slots: int | None = None
    draining = False
    home: AbstractEventLoop | None = None

    def check(self, func: Callable[..., Any]) -> None:
        """Refuse a function that cannot run here, when it is registered.

        This one takes plain functions.

        Raises:
            ConfigurationError: why not, and what to do; the message comes after the name of
                executor and function.
        """
        check_plain(func)

    async def open(self) -> None:  # noqa: B027  (many have nothing to get ready)
        """Get ready, on the event loop from which `run` will be called.

        Raises:
            Exception: it cannot be used, and neither can the engine start.
        """

    @abstractmethod
    def run(self, call: Call, ended: OnEnd, say: Say) -> Run:
        """Begin to run a call; does not wait for it.

        Whatever the function raises, also a `SystemExit`, is told and harms nobody else.

        Args:
            ended: Takes the end, exactly once, from any thread, when nothing of the run is
                left. An exception is told with its traceback, or with texts in its place.
            say: Takes what the function tells meanwhile, from any thread, in its order and
                before the end: lines of its log, progress, and whatever else `perform` gives.
                Nobody need look inside; all of it can be pickled. Of progress that comes
                quickly only the latest is worth the way, which `perform` sees to.

        Raises:
            Exception: it does not run, and ``ended`` was not called: the attempt has failed.
        """

    def drain(self) -> None:
        """The engine stops soon. Runs go on; functions that ask may be told."""
        self.draining = True

    async def close(self, grace: float) -> None:  # noqa: B027
        """End what still runs, within about ``grace`` seconds; it may be opened again.

        Nobody waits for the ends any more. What cannot be ended is left behind, if it does
        not keep the process from ending.
        """
