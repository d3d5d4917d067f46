"""The executors of a manager: the built-in ones, and those of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi_taskflow.engine.core.settings import Settings
from fastapi_taskflow.executors.base import Executor
from fastapi_taskflow.executors.dask import DaskExecutor
from fastapi_taskflow.executors.loop import LoopExecutor
from fastapi_taskflow.executors.process import ProcessExecutor
from fastapi_taskflow.executors.thread import ThreadExecutor
from fastapi_taskflow.rules.placing import (
    BUILT_IN,
    DASK,
    LOOP,
    PROCESS,
    THREAD,
    Check,
    is_coroutine_callable,
)
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["checks_of", "choose_executors", "executors_for"]

_TAKEN = frozenset({*BUILT_IN, DASK})


def choose_executors(
    executors: Mapping[str, object] | None, dask: Any, settings: Settings
) -> dict[str, Executor]:
    """The executors that a manager was given, by name.

    Raises:
        ConfigurationError: a name that is taken, no executor, or slots that cannot work.
        ImportError: an extra is not installed.
    """
    if executors is not None and not isinstance(executors, Mapping):
        raise limits.wrong("executors", "a dict {name: executor}", executors)
    chosen: dict[str, Executor] = {}
    for name, executor in (executors or {}).items():
        known = limits.printable("executors: a name", name)
        if known in _TAKEN:
            raise ConfigurationError(f"executors: the name {known!r} is taken; choose another.")
        if not isinstance(executor, Executor):
            what = "an object of a class of fastapi_taskflow.executors.Executor"
            raise limits.wrong(f"executors: {known!r}", what, executor)
        for verb in ("check", "run", "drain"):
            if is_coroutine_callable(getattr(executor, verb)):
                what = f"a plain `def {verb}`: nobody awaits it"
                raise limits.wrong(f"executors: {known!r}", what, executor)
        limits.optional(limits.whole, f"executors: slots of {known!r}", executor.slots, least=1)
        chosen[known] = executor
    if dask is not None:
        chosen[DASK] = DaskExecutor(dask, ttl=settings.instance_ttl)
    return chosen


def checks_of(own: Mapping[str, Executor]) -> dict[str, Check]:
    """What each executor says of functions that are to run there."""
    return {**BUILT_IN, **{name: executor.check for name, executor in own.items()}}


def executors_for(settings: Settings, own: Mapping[str, Executor]) -> dict[str, Executor]:
    """All executors of an engine that is about to start."""
    return {
        LOOP: LoopExecutor(settings.max_concurrent_tasks),
        THREAD: ThreadExecutor(settings.max_sync_threads),
        PROCESS: ProcessExecutor(
            settings.max_process_workers,
            patience=settings.process_shutdown_timeout,
            niceness=settings.process_niceness,
            max_tasks_per_child=settings.max_tasks_per_child,
            max_memory_per_child=settings.max_memory_per_child,
        ),
        **own,
    }
