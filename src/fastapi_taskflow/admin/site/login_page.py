"""The page to sign in."""

from __future__ import annotations

from fastapi_taskflow.admin.site.layout import document
from fastapi_taskflow.admin.site.markup import Html, element
from fastapi_taskflow.admin.site.site import Place

__all__ = ["login_page"]

_UNENCRYPTED = (
    "This page came over plain HTTP, so your browser will not keep you signed in. Open it over "
    "HTTPS. If a proxy of yours ends HTTPS in front of the app, let the server trust the "
    "proxy's X-Forwarded-Proto."
)


def login_page(
    place: Place, *, problem: str = "", username: str = "", then: str = "", encrypted: bool = True
) -> str:
    """The whole page, to be filled in again after a ``problem``.

    Args:
        then: Path of the page to open afterwards.
        encrypted: The browser will take the cookie, as far as the server can tell.
    """
    return document(
        place,
        "Sign in",
        element(
            "section",
            element("h1", "Sign in"),
            element("p", problem, class_="problem", role="alert", id="problem")
            if problem
            else None,
            None if encrypted else element("p", _UNENCRYPTED, class_="note"),
            _form(place, username, then, told=bool(problem)),
            class_="entry",
        ),
    )


def _form(place: Place, username: str, then: str, *, told: bool) -> Html:
    about = "problem" if told else None
    return element(
        "form",
        element("input", type="hidden", name="next", value=then) if then else None,
        element(
            "label",
            "Name",
            element(
                "input",
                name="username",
                value=username or None,
                autocomplete="username",
                autocapitalize="none",
                spellcheck="false",
                maxlength=256,
                required=True,
                autofocus=not username,
                aria_describedby=about,
            ),
        ),
        element(
            "label",
            "Password",
            element(
                "input",
                type="password",
                name="password",
                autocomplete="current-password",
                maxlength=1024,
                required=True,
                autofocus=bool(username),
                aria_describedby=about,
            ),
        ),
        element("button", "Sign in", type="submit"),
        method="post",
        action=place.path("auth", "login"),
    )
