"""How many tasks are added at once: wholly, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from fastapi_taskflow.engine.accept.options import Options, asked
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.engine.crossing import hand_over
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations import joining
from fastapi_taskflow.operations.adding import answer, needs_store, prepare_alone
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.rules.calls import Enqueued, TaskCall, bound
from fastapi_taskflow.rules.registry import Registered
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import TaskArgumentError

__all__ = ["AT_A_TIME", "MOST_CALLS", "Wanted", "enqueue_many", "listed"]

MOST_CALLS = 10_000
"""They are one transaction, for which other writers wait."""

AT_A_TIME = 200
"""Between two of these the event loop has its turn."""

Wanted = tuple[Registered, TaskCall, Options]


def listed(calls: object, what: str) -> list[Any]:
    """The calls, of which there are not too many.

    Raises:
        TaskArgumentError: it is no iterable of at most `MOST_CALLS`.
    """
    if isinstance(calls, TaskCall) or not isinstance(calls, Iterable):
        raise limits.wrong(what, "a list of task_manager.call(...)", calls, TaskArgumentError)
    found = list(calls)
    if len(found) > MOST_CALLS:
        raise TaskArgumentError(
            f"{what} takes at most {MOST_CALLS} calls at once, because they are stored together; "
            f"got {len(found)}. Give them in parts."
        )
    return found


async def enqueue_many(
    runtime: Runtime, calls: Iterable[Any], spread: float, given: dict[str, Any]
) -> list[Enqueued]:
    """Accept tasks on any event loop, all or none.

    Args:
        spread: Seconds over which their due times are spread evenly.
        given: The options of each.
    """
    spread = limits.span("enqueue_many: spread", spread, error=TaskArgumentError)
    found = listed(calls, "enqueue_many")
    engine = runtime.engine()
    names = runtime.registry.names
    calls = [bound(call, (), {}, names) for call in found]
    wanted = [asked(runtime.registry, call, (), {}, given) for call in calls]
    step = spread / len(wanted) if wanted else 0.0
    wanted = [(func, call, _later(one, step * n)) for n, (func, call, one) in enumerate(wanted)]
    if not wanted:
        return []
    if (session := wanted[0][2].session) is not None:
        return await joining.enqueue_many(runtime, session, wanted)
    tasks = await _prepared(runtime, engine, wanted)
    if asyncio.get_running_loop() is engine.loop:
        return await _accept(engine, tasks)
    return await hand_over(_accept(engine, tasks), engine)


def _later(options: Options, seconds: float) -> Options:
    if not seconds:
        return options
    if options.run_at is not None:
        return options._replace(run_at=options.run_at + timedelta(seconds=seconds))
    return options._replace(delay=options.delay + seconds)


async def _prepared(runtime: Runtime, engine: Engine, wanted: Sequence[Wanted]) -> list[LiveTask]:
    tasks: list[LiveTask] = []
    try:
        for registered, call, options in wanted:
            tasks.append(prepare_alone(runtime, engine, registered, call, options))
            if len(tasks) % AT_A_TIME == 0:
                await asyncio.sleep(0)
    except BaseException:
        # Their places in the queues are free again.
        if asyncio.get_running_loop() is engine.loop:
            engine.commits.drop(tasks)
        else:
            engine.loop.call_soon_threadsafe(engine.commits.drop, tasks)
        raise
    return tasks


async def _accept(engine: Engine, tasks: Sequence[LiveTask]) -> list[Enqueued]:
    stored = [task for task in tasks if needs_store(task)]
    others = [task for task in tasks if not needs_store(task)]
    if stored:
        try:
            await engine.commits.commit(stored)
        except BaseException:
            engine.commits.drop(others)
            raise
    for task in others:
        engine.commits.launch(task)
    return [answer(task) for task in tasks]
