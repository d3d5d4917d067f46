"""Coroutine functions, on the engine's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi_taskflow.executors.base import Call, Executor, OnEnd, Run
from fastapi_taskflow.executors.firststep import FirstStep
from fastapi_taskflow.executors.local import LocalRun
from fastapi_taskflow.rules.placing import check_coroutine
from fastapi_taskflow.words.said import Say

__all__ = ["LoopExecutor"]


class LoopExecutor(Executor):
    """Runs each call in an asyncio task of its own. ``slots`` None: any number at a time."""

    def __init__(self, slots: int | None = None) -> None:
        self.slots = slots

    def check(self, func: Callable[..., Any]) -> None:
        check_coroutine(func)

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()

    def run(self, call: Call, ended: OnEnd, say: Say) -> Run:
        run = LocalRun(call, ended, say, self)
        context = call.context
        if call.at_once and self._loop.get_task_factory() is None:
            # A factory of the app's own may wrap the coroutine, or run it itself.
            step = FirstStep(run.drive())
            runner = run.runner = self._loop.create_task(step, context=context)
            step.take(runner, context)
        else:
            run.runner = self._loop.create_task(run.drive(), context=context)
        return run
