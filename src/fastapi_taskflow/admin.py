"""`TaskAdmin`: the task API and its pages on an app, behind one guard."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.params import Depends as DependsParameter

from fastapi_taskflow.errors import ConfigurationError
from fastapi_taskflow.http.access import Access
from fastapi_taskflow.http.api import TaskApi
from fastapi_taskflow.http.filters import single_values
from fastapi_taskflow.http.pages import Pages
from fastapi_taskflow.http.site import Site
from fastapi_taskflow.manager import TaskManager

__all__ = ["LOCAL_ONLY", "TaskAdmin"]

logger = logging.getLogger(__name__)

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+", re.ASCII)


class _LocalOnly:
    def __repr__(self) -> str:
        return "LOCAL_ONLY"


LOCAL_ONLY: Final = _LocalOnly()
"""Default of ``auth``: direct clients on the same machine only."""


class TaskAdmin:
    """Adds the task API and the status page to an app, and starts the manager with it.

    Args:
        app: The app. Its lifespan starts the manager's engine; a mounted app has none, so
            call ``task_manager.init_app`` with the root app as well.
        task_manager: Whose tasks are served.
        path: Before all routes.
        display_func_args: Show the arguments of a task on its page and route.
        auto_install: Also manage plain ``background_tasks: BackgroundTasks`` parameters.
        auth: ``None``, written out, opens all routes to everybody. Without it and without
            ``dependencies`` only direct local clients are served.
        dependencies: The app's own FastAPI dependencies, in front of every route.
        read_only: Refuse everything that changes something.
        title: Of the pages.
        retention_days: As of ``TaskManager``, where that has none.

    Raises:
        ConfigurationError: a setting that cannot work, or is not available yet.
    """

    def __init__(  # noqa: PLR0913  (settings)
        self,
        app: FastAPI,
        task_manager: TaskManager,
        path: str = "/tasks",
        *,
        display_func_args: bool = False,
        auto_install: bool = False,
        auth: object = LOCAL_ONLY,
        dependencies: Sequence[DependsParameter] | None = None,
        read_only: bool = False,
        title: str = "fastapi-taskflow",
        retention_days: float | None = None,
    ) -> None:
        prefix = _checked_path(path)
        guards = _checked_dependencies(dependencies)
        if auth is not None and auth is not LOCAL_ONLY:
            raise ConfigurationError(
                f"auth takes None in this version, got {type(auth).__name__}: user names and "
                "TaskAuthBackend are not available yet. Guard the routes with "
                "dependencies=[Depends(your_check)]."
            )
        if retention_days is not None:
            task_manager.runtime.retain(retention_days)
        open_to_all = auth is None and not guards
        if open_to_all:
            logger.warning(
                "TaskAdmin at %s is open to everybody (auth=None): whoever reaches it can see, "
                "retry and cancel tasks",
                prefix,
            )
        access = Access(local_only=auth is LOCAL_ONLY and not guards, read_only=read_only)
        site = Site(prefix=prefix, title=title, open_to_all=open_to_all, read_only=read_only)
        operations = task_manager.operations
        # Invariant: every route is included here, behind these dependencies, in this order.
        router = APIRouter(dependencies=[Depends(access), *guards, Depends(single_values)])
        # The pages first: a task's id would match their first path.
        for routes in (Pages, TaskApi):
            served = routes(operations, site, show_arguments=display_func_args)
            router.include_router(served.router(), prefix=prefix)
        if auto_install:
            task_manager.install(app)
        else:
            task_manager.init_app(app)
        app.include_router(router)


def _checked_path(path: str) -> str:
    prefix = path.rstrip("/") if isinstance(path, str) else ""
    if not _PATH.fullmatch(prefix):
        raise ConfigurationError(
            f"path takes a path of at least one segment such as '/tasks', got {path!r}."
        )
    return prefix


def _checked_dependencies(
    dependencies: Sequence[DependsParameter] | None,
) -> list[DependsParameter]:
    chosen = list(dependencies or ())
    for one in chosen:
        if not isinstance(one, DependsParameter):
            raise ConfigurationError(f"dependencies takes [Depends(your_check), ...], got {one!r}.")
    return chosen
