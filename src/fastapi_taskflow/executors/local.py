"""A call that runs in this process, on the event loop or on any thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, NamedTuple, Protocol

from fastapi_taskflow.executors.base import Call, Executor, OnEnd, Reason, Told
from fastapi_taskflow.executors.throttle import Throttle
from fastapi_taskflow.rules.answers import discard, is_unfinished
from fastapi_taskflow.rules.context import activate
from fastapi_taskflow.rules.ends import Raised, Returned, Stopped
from fastapi_taskflow.words.forks import end_if_forked, generation
from fastapi_taskflow.words.models import TaskContext
from fastapi_taskflow.words.said import Say

__all__ = ["LocalRun", "Unfinished", "carry_out", "nobody", "perform"]


class Drains(Protocol):
    """Knows whether the engine stops soon."""

    draining: bool


class Unfinished(NamedTuple):
    """A plain function returned something to await, on the event loop."""

    answer: Awaitable[Any]


class LocalRun:
    """What the function and its helpers see of the run: `get_task_context`, `task_log`.

    ``reason`` is set once, on the event loop; threads only look at it. ``runner`` is there as
    long as the run can be cancelled.

    Args:
        executor: Says whether the engine drains; None: that is not known here.
    """

    __slots__ = (
        "_about",
        "_begun",
        "_context",
        "_ended",
        "_executor",
        "call",
        "reason",
        "runner",
        "say",
    )

    def __init__(self, call: Call, ended: OnEnd, say: Say, executor: Drains | None) -> None:
        # Invariant: the call itself until the end is told, then `_OVER`.
        self.call = call
        # A thread that the function left behind may ask after the end.
        self._about = call.task_id, call.func_name, call.attempt, call.tags, call.fence
        self.reason: Reason | None = None
        self.runner: asyncio.Task[None] | None = None
        self._begun = False
        self._ended = ended
        # Takes what it tells, from any thread.
        self.say = say
        self._executor = executor
        self._context: TaskContext | None = None

    def stop(self, reason: Reason) -> bool:
        """Cancel what runs on the event loop; see `Run.stop`."""
        self.reason = reason
        if self.runner is None:
            return False
        self.runner.cancel()
        if not self._begun:
            # Cancelled before its first turn, an asyncio task never enters its coroutine.
            self.end(Stopped())
        return True

    @property
    def task_context(self) -> TaskContext:
        if self._context is None:
            task_id, func_name, attempt, tags, fence = self._about
            # The tags are the function's own: what it does to them must not reach the record.
            self._context = TaskContext(
                task_id,
                func_name,
                attempt,
                dict(tags),
                fence,
                self._asked,
                self.say,
                self.call.batch_id,
            )
        return self._context

    def accompanied_by(self, helper: asyncio.Future[Any]) -> None:
        """Nothing on the event loop works for a function that is there itself."""

    def begin(self) -> Told | Unfinished:
        """Call a plain function, here and now."""
        activate(self)
        call = self.call
        born = generation()
        try:
            answer = call.func(*call.args, **call.kwargs)
            end_if_forked(born)
            if answer is not None and is_unfinished(answer):
                return Unfinished(answer)
            return Returned(answer)
        except BaseException as exc:  # whatever a task raises is its failure, not the server's
            end_if_forked(born, exc)
            return Raised(exc)

    async def drive(self, begun: Awaitable[Any] | None = None) -> None:
        """Run a coroutine function to its end, or what a plain one has ``begun``."""
        self._begun = True
        activate(self)
        call = self.call
        told: Told
        born = generation()
        try:
            if begun is None:
                begun = call.func(*call.args, **call.kwargs)
            answer = await begun
            while answer is not None and is_unfinished(answer):
                answer = await answer
            end_if_forked(born)
            told = Returned(answer)
        except asyncio.CancelledError as exc:
            told = Raised(exc) if self.reason is None else Stopped()
            if self.reason is None and self.runner is not None and self.runner.cancelling():
                # Not by us: let the cancellation pass.
                self.end(told)
                raise
        except BaseException as exc:  # as in `begin`
            end_if_forked(born, exc)
            told = Raised(exc)
        # As `end`, without the call of a method.
        self.runner = None
        self.call = _OVER
        self._ended(told)
        # An error's trace holds this frame, and would be held by it: a cycle with all that
        # the function had in its hands.
        del told

    def end(self, told: Told) -> None:
        # The runner's context, which the call has too, holds the run: without this each is a
        # cycle of objects that only the garbage collector can free, arguments among them.
        self.runner = None
        self.call = _OVER
        self._ended(told)

    def _asked(self) -> str | None:
        if self.reason is not None:
            # Ended by a drain, or lost: what a thread still does is for nobody.
            return self.reason if self.reason in ("cancel", "timeout") else "over"
        return "drain" if self._executor is not None and self._executor.draining else None


class _Asking(LocalRun):
    """Somebody else's run, who is asked whether it is to stop."""

    __slots__ = ("_why",)

    def __init__(
        self, call: Call, say: Say, executor: Drains | None, why: Callable[[], Reason | None]
    ) -> None:
        super().__init__(call, nobody, say, executor)
        self._why = why

    def _asked(self) -> str | None:
        self.reason = self._why()
        return super()._asked()


def perform(
    call: Call,
    say: Say,
    *,
    executor: Executor | None = None,
    asked: Callable[[], Reason | None] = lambda: None,
) -> Told:
    """Run a plain function on this thread, in its context, with `task_log` and a `TaskContext`.

    For executors that bring a call elsewhere, such as another process or thread; never raises.

    Args:
        say: Takes what it tells, see `Executor.run`, from one thread at a time, until this
            returns; progress comes ten times a second at most, and its last is among it.
        executor: Where it runs, for `TaskContext.stopping`; None: that is not known here.
        asked: The reason that `Run.stop` was given, None before: for `TaskContext.cancelled`.
            Called on this thread, whenever the function looks.
    """
    throttle = Throttle(say)
    try:
        return carry_out(_Asking(call, throttle.say, executor, asked))
    finally:
        throttle.close()


def carry_out(run: LocalRun) -> Told:
    """As `perform`, for a run that somebody else has a hand on."""
    call = run.call
    told = call.context.run(run.begin)
    if isinstance(told, Unfinished):
        discard(told.answer)
        text = f"{call.func_name} returned something to await, which is not done where it ran"
        return Raised(TypeError(text))
    return told


def nobody(told: Told) -> None:
    """Takes the end of a run that `carry_out` answers with."""


_OVER = Call("", nobody, (), {}, Context(), "")
