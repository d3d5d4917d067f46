"""`TaskAdmin`: the task API and its pages on an app, behind one guard."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from fastapi import Depends, FastAPI
from fastapi.params import Depends as DependsParameter

from fastapi_taskflow.admin.api.api import TaskApi
from fastapi_taskflow.admin.api.filters import single_values
from fastapi_taskflow.admin.api.routers import AdminRouter, HiddenRouter, include
from fastapi_taskflow.admin.auth.access import Access
from fastapi_taskflow.admin.auth.authority import Rules, by_role, by_sign_in, check_routes
from fastapi_taskflow.admin.auth.known import KnownUsers
from fastapi_taskflow.admin.auth.login import LoginApi
from fastapi_taskflow.admin.auth.signing import Signing
from fastapi_taskflow.admin.auth.verifying import Verifier
from fastapi_taskflow.admin.site.pages import Pages
from fastapi_taskflow.admin.site.site import Site
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.operations.logins import Logins
from fastapi_taskflow.rules.auth.roles import ROLES, Role, is_role
from fastapi_taskflow.rules.auth.users import TaskAuthBackend
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["LOCAL_ONLY", "TaskAdmin"]

logger = logging.getLogger(__name__)

# Not "." and "..": clients resolve them, and never ask for such a path.
_PATH = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)+", re.ASCII)
_OPEN = (
    "TaskAdmin at %s is open to everybody (auth=None): whoever reaches it can see, retry and "
    "cancel tasks"
)
# As long as browsers keep any cookie.
_LONGEST_SECONDS = 400 * 86_400.0


class _LocalOnly:
    def __repr__(self) -> str:
        return "LOCAL_ONLY"


LOCAL_ONLY: Final = _LocalOnly()
"""Default of ``auth``: direct clients on the same machine only."""

User: TypeAlias = tuple[str, str] | tuple[str, str, Role]
Auth: TypeAlias = User | Sequence[User] | TaskAuthBackend | _LocalOnly | None


class TaskAdmin:
    """Adds the task API and the dashboard to an app, and starts the manager with it.

    Who may use them: direct local clients, unless ``auth`` or ``dependencies`` say otherwise.

    Args:
        app: The app. Its lifespan starts the manager's engine; a mounted app has none, so
            call ``task_manager.init_app`` with the root app as well.
        task_manager: Whose tasks are served.
        path: Under which all routes are.
        display_func_args: Show the arguments of a task on its page and route.
        auto_install: Also manage plain ``background_tasks: BackgroundTasks`` parameters.
        auth: ``(name, password)``, ``(name, password, role)`` or a list of these, with
            passwords as hashes from ``fastapi-taskflow hash-password``; or a
            `TaskAuthBackend`. They sign in on a page, or send HTTP Basic. ``None``, written
            out, opens all routes to everybody.
        token_expiry: Seconds after which a session ends, however busy; one that nobody uses
            ends after half an hour.
        secret_key: Accepted for compatibility and not used: sessions are kept in the store.
        poll_interval: Accepted for compatibility and not used: pages follow what happens.
        dependencies: The app's own FastAPI dependencies, in front of every route, those to
            sign in included.
        role: What everybody may do where there is no ``auth``: ``"viewer"``, ``"operator"``
            or ``"admin"``; or ``Depends(...)`` of a function that returns one of these for a
            request, an `AuthUser`, or None for nobody.
        read_only: Everybody is a viewer.
        viewers_read_contents: Viewers see arguments (with ``display_func_args``) and logs.
        title: Of the pages.
        retention_days: As of ``TaskManager``, where that has none.
        include_in_schema: Show the JSON routes in the app's OpenAPI document. Without it, nobody
            who walks the app's routes or asks for one by name finds any of ours.

    Raises:
        ConfigurationError: a setting that cannot work.
        ImportError: ``auth`` names users, and the extra ``auth`` is not installed.
    """

    def __init__(  # noqa: PLR0913  (settings)
        self,
        app: FastAPI,
        task_manager: TaskManager,
        path: str = "/tasks",
        display_func_args: bool = False,  # noqa: FBT002  (given by position too)
        *,
        auto_install: bool = False,
        auth: Auth = LOCAL_ONLY,
        token_expiry: float = 86_400.0,
        secret_key: str | bytes | None = None,
        poll_interval: float = 30.0,
        dependencies: Sequence[DependsParameter] | None = None,
        role: Role | DependsParameter = "admin",
        read_only: bool = False,
        viewers_read_contents: bool = False,
        title: str = "fastapi-taskflow",
        retention_days: float | None = None,
        include_in_schema: bool = True,
    ) -> None:
        prefix = _checked_path(path)
        guards = _checked_dependencies(dependencies)
        limits.span("poll_interval", poll_interval, above=True)
        _check_kinds(app, task_manager)
        _check_switches(
            display_func_args=display_func_args,
            auto_install=auto_install,
            read_only=read_only,
            viewers_read_contents=viewers_read_contents,
            include_in_schema=include_in_schema,
        )
        if retention_days is not None:
            task_manager.runtime.retain(retention_days)
        site = _site(prefix, title, open_to_all=auth is None and not guards)
        rules = Rules(read_only=read_only, viewers_read_contents=viewers_read_contents)
        access = Access(local_only=auth is LOCAL_ONLY and not guards)
        signing = _signing(auth, task_manager, prefix, token_expiry)
        authority = _authority(rules, signing, role)
        # Invariant: every route is included here, behind these dependencies, in this order.
        before = [Depends(access), *guards, Depends(authority), Depends(single_values)]

        def made() -> AdminRouter:
            router = AdminRouter(dependencies=before)
            if signing is not None:
                router.include_router(LoginApi(signing, site).router(), prefix=prefix)
            # The pages first: a task's id would match their first path.
            for routes in (Pages, TaskApi):
                served = routes(task_manager.operations, site, show_arguments=display_func_args)
                router.include_router(served.router(), prefix=prefix)
            check_routes(router)
            return router

        shown = include_in_schema
        router = made() if shown else HiddenRouter(app, made, under=prefix, dependencies=before)
        if auto_install:
            task_manager.install(app)
        else:
            task_manager.init_app(app)
        include(app, router, under=prefix)


def _site(prefix: str, title: str, *, open_to_all: bool) -> Site:
    if open_to_all:
        logger.warning(_OPEN, prefix)
    shown = limits.text("title", title, most=limits.NAME_LIMIT)
    return Site(prefix=prefix, title=shown, open_to_all=open_to_all)


def _authority(
    rules: Rules, signing: Signing | None, role: Role | DependsParameter
) -> Callable[..., Any]:
    """The dependency that says what who asks may do."""
    if signing is None:
        return by_role(rules, _checked_role(role))
    if role == "admin":
        return by_sign_in(rules, signing)
    raise ConfigurationError("role is for TaskAdmin without auth: its users have their own.")


def _signing(
    auth: Any, task_manager: TaskManager, prefix: str, token_expiry: float
) -> Signing | None:
    """Who checks names and passwords; None where there are none."""
    life = limits.span("token_expiry", token_expiry, above=True, most=_LONGEST_SECONDS)
    if auth is None or auth is LOCAL_ONLY:
        return None
    users = auth if isinstance(auth, TaskAuthBackend) else KnownUsers(auth)
    logins = Logins(task_manager.runtime, realm=prefix, life=life)
    return Signing(Verifier(users), logins)


def _check_kinds(app: object, task_manager: object) -> None:
    if not isinstance(app, FastAPI):
        raise limits.wrong("TaskAdmin(app, task_manager): app", "the FastAPI app", app)
    if not isinstance(task_manager, TaskManager):
        raise limits.wrong(
            "TaskAdmin(app, task_manager): task_manager", "a TaskManager", task_manager
        )


def _check_switches(**switches: object) -> None:
    for name, value in switches.items():
        limits.switch(name, value)


def _checked_role(role: Any) -> Role | DependsParameter:
    if isinstance(role, DependsParameter) or is_role(role):
        return role
    raise ConfigurationError(
        f"role takes one of {', '.join(ROLES)}, or Depends(your_function), got {quoted(role)}."
    )


def _checked_path(path: str) -> str:
    prefix = path.rstrip("/") if isinstance(path, str) else ""
    if not _PATH.fullmatch(prefix):
        raise ConfigurationError(
            f"path takes a path of at least one segment such as '/tasks', got {quoted(path)}."
        )
    return prefix


def _checked_dependencies(
    dependencies: Sequence[DependsParameter] | None,
) -> list[DependsParameter]:
    expected = "a list of Depends(your_check)"
    chosen = [] if dependencies is None else limits.several("dependencies", expected, dependencies)
    for one in chosen:
        if not isinstance(one, DependsParameter):
            raise ConfigurationError(
                f"dependencies takes [Depends(your_check), ...], got {quoted(one)}."
            )
    return chosen
