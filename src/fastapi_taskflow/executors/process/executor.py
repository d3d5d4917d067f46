"""The executor: its children, and the calls that are under way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from fastapi_taskflow.executors.base import Call, Executor, OnEnd, Run
from fastapi_taskflow.executors.daemons import DaemonThreads
from fastapi_taskflow.executors.process.ears import Ears
from fastapi_taskflow.executors.process.following import FollowedRun
from fastapi_taskflow.executors.process.pool import Pool
from fastapi_taskflow.executors.process.runs import ProcessRun
from fastapi_taskflow.executors.process.watching import MemoryWatch
from fastapi_taskflow.executors.sending import ends
from fastapi_taskflow.rules.placing import check_process
from fastapi_taskflow.words.said import Say

__all__ = ["ProcessExecutor", "cores"]

_STEP_SECONDS = 0.01
# Of a killed child, until it is gone.
_BURIAL_SECONDS = 0.5


class ProcessExecutor(Executor):
    """Runs plain functions in up to ``slots`` child processes, which it keeps for the next ones.

    No process is started before the first call.

    Args:
        slots: None: as many as this process has cores.
        patience: Seconds between the order to stop, which a function can obey, and its end.
        niceness: How far children stand back for other processes, this one among them.
        max_tasks_per_child: Calls after which a child is replaced; None: any number.
        max_memory_per_child: Bytes that a child may hold after a call, or it is replaced.
    """

    slots: int

    def __init__(
        self,
        slots: int | None = None,
        *,
        patience: float = 30.0,
        niceness: int = 15,
        max_tasks_per_child: int | None = None,
        max_memory_per_child: int | None = None,
    ) -> None:
        self.slots = slots or cores()
        self.patience = patience
        self._niceness = niceness
        self._max_tasks = max_tasks_per_child
        self._max_memory = max_memory_per_child
        self.runs: set[FollowedRun] = set()

    def check(self, func: Callable[..., Any]) -> None:
        check_process(func)

    async def open(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.threads = DaemonThreads(self.slots, name="taskflow-process")
        self.pool = Pool(
            self.slots,
            niceness=self._niceness,
            max_tasks=self._max_tasks,
            max_memory=self._max_memory,
        )
        self.ears = Ears(self.loop)
        self.watch = MemoryWatch()
        self.runs = set()

    def run(self, call: Call, ended: OnEnd, say: Say) -> Run:
        run = ProcessRun(call, ends.reporting(ended, say), say, self)
        self.runs.add(run)
        try:
            run.begin()
        except BaseException:
            self.runs.discard(run)
            raise
        return run

    def drain(self) -> None:
        super().drain()
        self.pool.drain()

    async def close(self, grace: float) -> None:
        """What runs is ordered to stop, and killed after ``grace`` seconds."""
        self.pool.close()
        for run in list(self.runs):
            if run.reason is None:
                run.stop("drain")
        await self._emptied(grace)
        self.pool.kill()
        await self._emptied(_BURIAL_SECONDS)
        self.threads.close()
        self.ears.close()

    async def _emptied(self, seconds: float) -> None:
        until = self.loop.time() + seconds
        while (len(self.pool) or self.runs) and self.loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(_STEP_SECONDS)


def cores() -> int:
    """How many of them this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
