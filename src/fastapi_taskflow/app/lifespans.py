"""When an app's engines live: they accept before its own lifespan starts, run tasks within it.

Other parts of an app wrap its lifespan as well, routers that are included later for example.
So ours is put around all of them at the moment in which somebody enters it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Any

from fastapi import FastAPI

from fastapi_taskflow.app import signals
from fastapi_taskflow.operations.control import Control

__all__ = ["enclose"]

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
_NAME = "lifespan_context"

# The apps whose lifespan is being entered: what wrapped ours leads to it again.
_entering: ContextVar[frozenset[int]] = ContextVar("fastapi_taskflow_entering", default=frozenset())


def enclose(app: FastAPI, managers: Sequence[Control], check: Callable[[], None]) -> None:
    """Have the managers live with the app.

    Args:
        managers: Those that are in it when the lifespan is entered.
        check: Called first; what it raises fails the start.
    """

    def get(router: Any) -> Lifespan:
        inner: Lifespan = vars(router)[_NAME]
        return lambda entered: _living(entered, id(app), inner, managers, check)

    def replace(router: Any, lifespan: Lifespan) -> None:
        vars(router)[_NAME] = lifespan

    vars(app.router)[_NAME] = app.router.lifespan_context
    kind = type(app.router)
    # A property, because others read the lifespan to wrap it, and write theirs.
    app.router.__class__ = type(kind.__name__, (kind,), {_NAME: property(get, replace)})


@asynccontextmanager
async def _living(
    entered: Any,
    key: int,
    inner: Lifespan,
    managers: Sequence[Control],
    check: Callable[[], None],
) -> AsyncIterator[Any]:
    outer = _entering.get()
    if key in outer:
        async with inner(entered) as state:
            yield state
        return
    async with AsyncExitStack() as stack:
        check()
        chosen = tuple(managers)
        for task_manager in chosen:
            await task_manager.runtime.startup()
            # A second signal counts as long as the drain lasts.
            stack.callback(signals.stand_in_front(task_manager))
            stack.push_async_callback(task_manager.shutdown)
        token = _entering.set(outer | {key})
        try:
            state = await stack.enter_async_context(inner(entered))
        finally:
            _entering.reset(token)
        for task_manager in chosen:
            task_manager.runtime.begin()
        try:
            yield state
        finally:
            for task_manager in chosen:
                await task_manager.runtime.drain()
