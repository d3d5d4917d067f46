"""Which tasks a command is about: the filters of `GET /tasks`, given as options."""

from __future__ import annotations

from typing import Any

import typer
from pydantic import ValidationError

from fastapi_taskflow.admin.api.filters import TaskFilters
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["filters"]


def filters(**given: Any) -> TaskFilters:
    """The filters that were given; None counts as left out.

    Raises:
        BadParameter: one that means nothing.
    """
    try:
        return TaskFilters(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as exc:
        fault = exc.errors()[0]
        name = str(fault["loc"][0]) if fault["loc"] else ""
        option = {"q": "--search"}.get(name, "--" + name.replace("_", "-"))
        message = fault["msg"]
        if name == "status":
            message = "Expected one of " + ", ".join(each.value for each in TaskStatus)
        raise typer.BadParameter(message, param_hint=option) from exc
