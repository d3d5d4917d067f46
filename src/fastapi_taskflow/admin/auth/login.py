"""Routes to sign in and out, for the page's form and for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from fastapi_taskflow.admin.api.documenting import add_page, add_route
from fastapi_taskflow.admin.api.problems import Problem, problem
from fastapi_taskflow.admin.api.routing import AdminRoute
from fastapi_taskflow.admin.api.schemas import Model, Moment
from fastapi_taskflow.admin.auth.credentials import is_plain_local
from fastapi_taskflow.admin.auth.redirects import safe_next
from fastapi_taskflow.admin.auth.refusals import NotSignedIn, Throttled
from fastapi_taskflow.admin.auth.signing import Signing
from fastapi_taskflow.admin.site.login_page import login_page
from fastapi_taskflow.admin.site.site import Site
from fastapi_taskflow.operations.logins import Begun
from fastapi_taskflow.rules.auth.passwords import PASSWORD_LIMIT
from fastapi_taskflow.rules.auth.users import NAME_LIMIT

__all__ = ["LoginApi", "SessionInfo", "SignInForm"]

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 10


def _printable(name: str) -> str:
    # What a check of users is promised, and what the audit shows. The pattern says most of it.
    if not name.isprintable():
        raise ValueError("A name has printable characters only")
    return name


class SignInForm(BaseModel):
    """Name and password."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    username: Annotated[str, AfterValidator(_printable)] = Field(
        min_length=1, max_length=NAME_LIMIT, pattern=r"^[^\x00-\x1f\x7f]+$"
    )
    password: str = Field(max_length=PASSWORD_LIMIT)
    next: str | None = Field(
        None, max_length=4_000, description="Where the browser goes afterwards; a path of ours"
    )


class SessionInfo(Model):
    """A session has begun; its cookie is in the headers."""

    user: str
    role: str
    expires_at: Moment


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {
                "schema": SignInForm.model_json_schema(ref_template="#/components/schemas/{model}")
            }
            for kind in (_JSON, _FORM)
        },
    }
}
_BEGUN: dict[str, Any] = {"model": SessionInfo, "description": "To JSON"}
_SEE_OTHER: dict[str, Any] = {
    "description": "To the form: go on there, signed in or out",
    "headers": {"Location": {"description": "A path", "schema": {"type": "string"}}},
}


class LoginApi:
    """The routes of one `TaskAdmin`."""

    def __init__(self, signing: Signing, site: Site) -> None:
        self._signing = signing
        self._site = site

    def router(self) -> APIRouter:
        """All of them."""
        router = APIRouter(prefix="/auth", route_class=AdminRoute)
        add_page(router, "GET", "/login", self.show_login)
        add = partial(add_route, router)
        add(
            "POST",
            "/login",
            self.sign_in,
            answers=(413, 415, 422),
            more_answers={200: _BEGUN, 303: _SEE_OTHER},
            body=_BODY,
            pages=(401, 422, 429),
        )
        ended = {204: {"description": "Signed out"}, 303: _SEE_OTHER}
        add("POST", "/logout", self.sign_out, more_answers=ended, success=204)
        return router

    async def show_login(
        self, request: Request, then: Annotated[str, Query(alias="next", max_length=4_000)] = ""
    ) -> Response:
        return HTMLResponse(self._page(request, then=then))

    async def sign_in(self, request: Request) -> Response:
        """Begin a session.

        A form is answered with a page or another place to go, JSON with JSON. The session
        that the browser had before ends.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == _JSON:
            given = _read(await request.body(), as_json=True)
            begun = await self._signing.sign_in(request, given.username, given.password)
            return self._with_cookie(request, JSONResponse(_told(begun)), begun)
        if kind == _FORM:
            return await self._sign_in_by_form(request)
        return Problem(415, f"Send {_JSON} or {_FORM}.").as_json()

    async def sign_out(self, request: Request, *, everywhere: bool = False) -> Response:
        """End this browser's session, or all sessions of its user; on all instances at once."""
        await self._signing.sign_out(request, everywhere=everywhere)
        by_form = request.headers.get("content-type", "").lower().startswith(_FORM)
        place = self._site.at(request)
        response = (
            RedirectResponse(place.path("auth", "login"), 303) if by_form else Response(None, 204)
        )
        self._signing.cookies.clear(request, response)
        return response

    async def _sign_in_by_form(self, request: Request) -> Response:
        try:
            given = _read(await request.body(), as_json=False)
        except RequestValidationError:
            return self._refused(request, Problem(422, "Enter your name and your password."), {})
        place = self._site.at(request)
        try:
            begun = await self._signing.sign_in(request, given.username, given.password)
        except (NotSignedIn, Throttled) as error:
            typed = {"username": given.username, "then": given.next or ""}
            return self._refused(request, problem(error), typed)
        then = safe_next(place, given.next)
        return self._with_cookie(request, RedirectResponse(then, 303), begun)

    def _refused(self, request: Request, why: Problem, typed: Mapping[str, str]) -> Response:
        page = self._page(request, problem=why.detail, **typed)
        return HTMLResponse(page, why.status, dict(why.headers))

    def _page(self, request: Request, *, then: str = "", **shown: Any) -> str:
        place = self._site.at(request)
        encrypted = request.scope.get("scheme") == "https" or is_plain_local(request)
        kept = safe_next(place, then)
        return login_page(
            place, then="" if kept == place.page() else kept, encrypted=encrypted, **shown
        )

    def _with_cookie(self, request: Request, response: Response, begun: Begun) -> Response:
        self._signing.cookies.write(request, response, begun.token)
        return response


def _told(begun: Begun) -> dict[str, str]:
    session = begun.session
    info = SessionInfo(
        user=session.user, role=session.role, expires_at=session.expires_at.isoformat()
    )
    return info.model_dump()


def _read(body: bytes, *, as_json: bool) -> SignInForm:
    """Name and password from a body."""
    try:
        if as_json:
            return SignInForm.model_validate_json(body)
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
        return SignInForm.model_validate(dict(pairs))
    except ValidationError as error:
        faults = [
            {"type": fault["type"], "loc": ("body", *fault["loc"]), "msg": fault["msg"]}
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise RequestValidationError(faults) from None
    except ValueError:
        fault = {"type": "value_error", "loc": ("body",), "msg": "It cannot be read as a form"}
        raise RequestValidationError([fault]) from None
