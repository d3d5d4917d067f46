"""Who sent a request, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from fastapi_taskflow.rules.auth.roles import Permission, Role
from fastapi_taskflow.words.texts import clean, escape

__all__ = ["Visitor", "actor", "remember", "visitor_of"]

_KEY = "fastapi_taskflow.visitor"
_ACTOR_LIMIT = 256
_ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who was let in."""

    # None where only a role is known.
    name: str | None
    role: Role
    granted: frozenset[Permission]
    # They signed in on the page, and can sign out.
    in_session: bool = False

    def may(self, permission: Permission) -> bool:
        """They have the permission."""
        return permission in self.granted


def remember(request: Request, visitor: Visitor) -> None:
    """Keep for the rest of the request who sent it."""
    request.scope[_KEY] = visitor


def visitor_of(request: Request) -> Visitor | None:
    """Who sent the request; None before that was found out, or where nobody asked."""
    found = request.scope.get(_KEY)
    return found if isinstance(found, Visitor) else None


def actor(request: Request) -> str:
    """Who acts, for the audit: the visitor's name, the user of Starlette's authentication,
    or ``anonymous``.
    """
    visitor = visitor_of(request)
    if visitor is not None and visitor.name is not None:
        return visitor.name
    user = request.scope.get("user")
    if not getattr(user, "is_authenticated", False):
        return _ANONYMOUS
    name = str(getattr(user, "display_name", ""))[:_ACTOR_LIMIT]
    return escape(clean(name))[:_ACTOR_LIMIT] or _ANONYMOUS
