"""Who may do what: finds out who sent a request, and compares with what the route needs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.params import Depends as DependsParameter

from fastapi_taskflow.admin.api.routing import AdminRoute
from fastapi_taskflow.admin.auth.refusals import Refused
from fastapi_taskflow.admin.auth.signing import Signing
from fastapi_taskflow.admin.auth.visitors import Visitor, remember
from fastapi_taskflow.rules.auth.roles import ROLES, Permission, Role, is_role, permissions
from fastapi_taskflow.rules.auth.users import AuthUser
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Rules", "by_role", "by_sign_in", "check_routes"]

logger = logging.getLogger(__name__)

Authority = Callable[..., Coroutine[Any, Any, None]]

_READ_ONLY = "TaskAdmin was made with read_only=True: nothing can be changed here."
_NO_ROLE = "You have no role here."
_UNGUARDED = "This route names no permission, so nobody has it."


class Rules:
    """What people of each role may do on one `TaskAdmin`; see its settings of these names."""

    def __init__(self, *, read_only: bool, viewers_read_contents: bool) -> None:
        self._read_only = read_only
        self._viewers_read_contents = viewers_read_contents

    def visitor(self, name: str | None, role: Role, *, in_session: bool = False) -> Visitor:
        """Somebody with a role."""
        role = "viewer" if self._read_only else role
        granted = permissions(role, viewers_read_contents=self._viewers_read_contents)
        return Visitor(name=name, role=role, granted=granted, in_session=in_session)

    def admit(self, request: Request, visitor: Visitor) -> None:
        """Let somebody through to the route.

        Raises:
            Refused: they may not use it.
        """
        needed = needed_by(request)
        if needed is not Permission.NONE and not visitor.may(needed):
            if self._read_only:
                raise Refused(_READ_ONLY)
            least = next(role for role in ROLES if needed in permissions(role))
            raise Refused(f"This needs the role {least!r}; yours is {visitor.role!r}.")
        remember(request, visitor)


def needed_by(request: Request) -> Permission:
    """What the route of a request needs."""
    route = request.scope.get("route")
    if not isinstance(route, AdminRoute):
        raise Refused(_UNGUARDED)
    return route.needs


def check_routes(router: APIRouter) -> None:
    """Make sure that no route comes without a permission."""
    for route in router.routes:
        # Not `iter_route_contexts`, which would make all that their first request needs.
        included = getattr(route, "original_router", None)
        if isinstance(included, APIRouter):
            check_routes(included)
        elif not isinstance(route, AdminRoute):
            raise ConfigurationError(
                f"The route {getattr(route, 'path', route)!r} of TaskAdmin is no AdminRoute."
            )


def by_sign_in(rules: Rules, signing: Signing) -> Authority:
    """Dependency: people sign in."""

    async def authority(request: Request) -> None:
        if needed_by(request) is Permission.NONE:
            return
        user, in_session = await signing.user_of(request)
        rules.admit(request, rules.visitor(user.name, user.role, in_session=in_session))

    return authority


def by_role(rules: Rules, role: Role | DependsParameter) -> Authority:
    """Dependency: the app says who people are; without a dependency all have one role."""

    async def asked(request: Request, given: Any = role) -> None:
        rules.admit(request, rules.visitor(*_named(given)))

    async def fixed(request: Request) -> None:
        await asked(request)

    return asked if isinstance(role, DependsParameter) else fixed


def _named(given: Any) -> tuple[str | None, Role]:
    if isinstance(given, AuthUser):
        return given.name, given.role
    if is_role(given):
        return None, given
    if given is not None:
        logger.error(
            "The dependency given as role= returned a %s, so the request was refused; it takes "
            "one of %s, an AuthUser, or None",
            type(given).__name__,
            ", ".join(ROLES),
        )
    raise Refused(_NO_ROLE)
