"""Routes that run a task again with other arguments, and what a form for it needs."""

from __future__ import annotations

from typing import Any, Literal, Self

from fastapi import Request
from pydantic import Field

from fastapi_taskflow.admin.api.documenting import Add, Routes
from fastapi_taskflow.admin.api.problems import bad_body
from fastapi_taskflow.admin.api.routing import AdminRoute
from fastapi_taskflow.admin.api.schemas import Model, TaskAction, TaskId, TaskInfo, encodable
from fastapi_taskflow.admin.auth.refusals import Refused
from fastapi_taskflow.admin.auth.visitors import actor
from fastapi_taskflow.operations import Argument, Operations
from fastapi_taskflow.rules.forms import Unfit
from fastapi_taskflow.words.errors import TaskNotFound

__all__ = ["ArgumentInfo", "ChangedArguments", "RerunApi", "added"]

_OFF = "Arguments are not shown here: TaskAdmin was made without display_func_args=True."


class ArgumentInfo(Model):
    """A parameter of a task's function, and what the task was given for it."""

    name: str
    kind: Literal["one", "list", "object"] = Field(
        description="A `list` takes all further positional arguments, an `object` further keywords"
    )
    required: bool
    form: dict[str, Any] | None = Field(description="JSON Schema; null: not known")
    default: str | None = Field(description="As JSON; null: none, or none that JSON can say")
    given: bool = Field(description="The task did not have the default")
    value: str | None = Field(
        description="As JSON, whose numbers are exact; null where it is secret or has no such form"
    )
    secret: bool

    @classmethod
    def of(cls, argument: Argument) -> Self:
        field = argument.field
        return cls(
            name=encodable(field.name),
            kind=field.kind,
            required=field.required,
            form=field.schema,
            default=field.default,
            given=argument.given,
            value=argument.value,
            secret=argument.secret,
        )


class ChangedArguments(Model):
    """New values by parameter, in plain JSON. One that is left out stays as it was."""

    arguments: dict[str, Any] = Field({}, max_length=1000)


class _Route(AdminRoute):
    # What a durable task may have by default, written in JSON.
    body_limit_bytes = 512 * 1024


class RerunApi(Routes):
    """The routes about a task's arguments."""

    def __init__(self, operations: Operations, *, show_arguments: bool) -> None:
        super().__init__(operations)
        self._show_arguments = show_arguments

    def add_to(self, add: Add) -> None:
        add("GET", "/{task_id}/arguments", self.arguments, answers=(400, 404, 409))
        refusals = (400, 404, 409, 413, 422)
        add("POST", "/{task_id}/run-again", self.run_again, answers=refusals, kind=_Route)

    async def arguments(self, task_id: TaskId) -> list[ArgumentInfo]:
        """The parameters of a task's function, in their order, with its arguments.

        With `display_func_args` only.
        """
        self._check_shown()
        return [ArgumentInfo.of(one) for one in await self._operations.form(task_id)]

    async def run_again(
        self, request: Request, task_id: TaskId, changed: ChangedArguments
    ) -> TaskAction:
        """Run a task that has ended as a new one, with other arguments.

        Of a task that ended without success the new one is its retry. With `display_func_args`
        only.
        """
        self._check_shown()
        try:
            new = await self._operations.run_again(task_id, changed.arguments, actor=actor(request))
        except Unfit as error:
            raise bad_body("arguments", error) from error
        return await added(self._operations, new)

    def _check_shown(self) -> None:
        if not self._show_arguments:
            raise Refused(_OFF)


async def added(operations: Operations, task_id: str) -> TaskAction:
    """The answer with a task that was just added.

    Raises:
        TaskNotFound: it is gone already.
    """
    record = await operations.get(task_id)
    if record is None:
        raise TaskNotFound(task_id)
    return TaskAction(task_id=task_id, task=TaskInfo.of(record))
