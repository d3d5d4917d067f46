"""``tasks cancel`` and ``tasks retry``: one task after the other, none stopped by another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from fastapi_taskflow.admin.api.schemas import TaskInfo
from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.cli.bars import bar
from fastapi_taskflow.cli.output import Answer, give, plain
from fastapi_taskflow.cli.sources import AppOption, runtime_of
from fastapi_taskflow.cli.stores import JsonOption, actor, acts
from fastapi_taskflow.cli.taskfilters import filters
from fastapi_taskflow.operations.inspecting import Inspector, inspecting
from fastapi_taskflow.operations.reading import existing
from fastapi_taskflow.words.counting import plural
from fastapi_taskflow.words.errors import TaskflowError, TaskStateError
from fastapi_taskflow.words.models import TaskRecord, TaskStatus

__all__ = ["cancel", "retry"]

# Tasks that are looked for at a time.
_PAGE = 500
_MEANINGS = {"asked": "runs, and was asked to stop", "cancelled": "cancelled"}


@acts
async def cancel(
    inspector: Inspector,
    task_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of tasks, one or more.")],
) -> Answer:
    """Cancel tasks; one that runs is asked to stop.

    A task that is refused stops no other; exit code 1 if there was one.
    """

    async def one(task_id: str) -> dict[str, Any]:
        record, asked = await inspector.cancel(task_id, actor=actor())
        return {"result": "asked" if asked else "cancelled", "task": _info(record)}

    return _answer(await _each(task_ids, one))


def retry(
    task_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Ids of tasks, one or more.", show_default=False),
    ] = None,
    *,
    failed: Annotated[
        bool, typer.Option("--failed", help="Retry all that failed, instead of tasks by id.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With --failed: made at or after, as in tasks list."),
    ] = None,
    func_name: Annotated[
        str | None, typer.Option(help="With --failed: only this function.")
    ] = None,
    target: AppOption = None,
    json: JsonOption = False,
) -> None:
    """Run tasks that ended without success once more, as new tasks.

    It needs the app, for its functions, which run in the app's processes and workers. A task
    that is refused stops no other; exit code 1 if there was one.

    With --failed every task that failed and was not retried yet, the newest first, narrowed
    by --since and --func-name. Cut off, it is begun again: what was retried is left out.
    """
    narrowed = since is not None or func_name is not None
    if failed == bool(task_ids) or (narrowed and not failed):
        raise typer.BadParameter(
            "Give ids of tasks, or --failed, which --since and --func-name go with.",
            param_hint="ID",
        )
    query = filters(status=[TaskStatus.FAILED], since=since, func_name=func_name).query()

    async def retried() -> list[dict[str, Any]]:
        runtime = runtime_of(target, "Retry over HTTP, where the path says which.")
        async with inspecting(runtime) as inspector:

            async def one(task_id: str) -> dict[str, Any]:
                record = await _retry(inspector, task_id)
                return {
                    "result": "retried",
                    "new_task_id": record.task_id,
                    "task": _info(record),
                }

            return await _each(task_ids or await _failed(inspector, query), one)

    give(_answer(asyncio.run(retried())), as_json=json)


async def _retry(inspector: Inspector, task_id: str) -> TaskRecord:
    record = existing(await inspector.get(task_id), task_id)
    if inspector.ends_with_us(record.func_name):
        raise TaskStateError(
            f"Task {task_id} runs {record.func_name!r}, which is not durable "
            "(persist=False): its retry would end with this command. Retry it over HTTP or "
            "in the dashboard."
        )
    new = await inspector.retry(task_id, actor=actor())
    return existing(await inspector.get(new), new)


async def _failed(inspector: Inspector, query: Query) -> list[str]:
    """Ids of the tasks that match, newest first, without those that were retried."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page, cursor = await inspector.search(query, limit=_PAGE, cursor=cursor)
        found += [record.task_id for record in page if record.retried_as is None]
        if cursor is None:
            return found


def _info(record: TaskRecord) -> dict[str, Any]:
    return TaskInfo.of(record).model_dump(mode="json")


async def _each(
    task_ids: Sequence[str], act: Callable[[str], Awaitable[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """What became of each task; one that is refused stops no other."""
    results: list[dict[str, Any]] = []
    with bar("Tasks", len(task_ids)) as advance:
        for task_id in task_ids:
            try:
                results.append({"task_id": task_id, **await act(task_id)})
            except TaskflowError as exc:
                results.append({"task_id": task_id, "result": "refused", "error": str(exc)})
            advance(f"{len(results)} of {plural(len(task_ids), 'task')}", len(results))
    return results


def _answer(results: list[dict[str, Any]]) -> Answer:
    refused = any("error" in each for each in results)
    return Answer(
        document=results,
        shown=[_line(each) for each in results] or ["No tasks."],
        failed=refused,
    )


def _line(result: dict[str, Any]) -> Text:
    if "error" in result:
        return Text.assemble(("refused  ", "red"), plain(result["error"]))
    meaning = _MEANINGS.get(result["result"]) or f"retried as {result['new_task_id']}"
    return Text.assemble(plain(result["task_id"]), "  ", (meaning, "green"))
