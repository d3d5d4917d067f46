"""Where the routes of a `TaskAdmin` stand, as the client sees it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from fastapi import Request

from fastapi_taskflow.admin.auth.visitors import Visitor, visitor_of
from fastapi_taskflow.rules.auth.roles import Permission

__all__ = ["Place", "Site"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all pages and links of one `TaskAdmin` share.

    Args:
        prefix: Of all routes, within the app.
        title: Of the pages.
        open_to_all: No rule keeps anybody out; the pages say so.
    """

    prefix: str
    title: str
    open_to_all: bool = False

    def at(self, request: Request) -> Place:
        """The place of one request, under any mount or ``root_path``.

        Not by route name: an app mounted under a name, or twice, finds another's routes.
        """
        root = str(request.scope.get("root_path", "")).strip("/")
        base = f"/{root}{self.prefix}" if root else self.prefix
        return Place(
            site=self,
            base=quote(base),
            query=tuple(request.query_params.multi_items()),
            visitor=visitor_of(request),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One request's place on a site. ``base`` is the path before all routes.

    ``visitor`` is None where nobody was let in yet; they may do nothing.
    """

    site: Site
    base: str
    query: tuple[tuple[str, str], ...]
    visitor: Visitor | None

    def may(self, permission: Permission) -> bool:
        """The visitor may do it; the pages offer nothing else."""
        return self.visitor is not None and self.visitor.may(permission)

    def path(self, *parts: str) -> str:
        """The path of a route; its parts are percent-encoded."""
        return "/".join([self.base, *(quote(part, safe="") for part in parts)])

    def page(self, *parts: str) -> str:
        """The path of a page."""
        return self.path("dashboard", *parts)

    def given(self, name: str) -> str:
        """A query parameter as the client wrote it; empty without one."""
        return next((value for key, value in self.query if key == name), "")

    def link_next(self, *parts: str, cursor: str) -> str:
        """The header that leads to the next page of a list."""
        return f'<{self.path(*parts)}{self.query_with(cursor=cursor)}>; rel="next"'

    def query_with(self, **changes: str | None) -> str:
        """This request's query string with other values; None leaves a parameter out."""
        kept = [(key, value) for key, value in self.query if key not in changes and value]
        new = [(key, value) for key, value in changes.items() if value is not None]
        return f"?{urlencode([*kept, *new])}"
