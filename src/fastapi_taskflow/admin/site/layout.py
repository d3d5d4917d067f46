"""The pages that are written here: the one that the dashboard runs in, and plain ones."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi_taskflow.admin.site.markup import Child, Html, element, page
from fastapi_taskflow.admin.site.site import Place

__all__ = ["app_page", "document", "message"]

_OPEN = (
    "Open to everybody: TaskAdmin was made with auth=None. Whoever reaches this page may do "
    "all that it offers."
)
_TITLES = {403: "Not allowed", 404: "Not found"}
_NO_SCRIPT = (
    "The dashboard needs JavaScript. Without it there are the command line "
    "(fastapi-taskflow tasks) and the JSON routes."
)


def app_page(place: Place, *, script: str, styles: Sequence[str], settings: str) -> str:
    """The page that the dashboard fills in; the names are of its files, ``settings`` is JSON."""
    head = _head(
        place,
        place.site.title,
        [_stylesheet(place, name) for name in styles],
        element("script", type="module", src=place.page("assets", script)),
    )
    body = element(
        "body",
        element("div", id="root", data_settings=settings),
        element("noscript", element("p", _NO_SCRIPT)),
    )
    return page(element("html", head, body, lang="en"))


def document(place: Place, title: str, *content: Child) -> str:
    """A whole plain page; the site's title follows its own."""
    site = place.site
    head = _head(place, f"{title} · {site.title}", _stylesheet(place, "status.css"))
    body = element(
        "body",
        element("a", "Skip to the content", class_="skip", href="#content"),
        element("header", element("a", site.title, class_="home", href=place.page())),
        element(
            "main",
            element("p", _OPEN, class_="banner", role="alert") if site.open_to_all else None,
            *content,
            id="content",
        ),
    )
    return page(element("html", head, body, lang="en"))


def _head(place: Place, title: str, *more: Child) -> Html:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Without it, a form sent over plain HTTP has `Origin: null`, which is refused.
        element("meta", name="referrer", content="same-origin"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("link", rel="icon", type="image/svg+xml", href=place.page("assets", "icon.svg")),
        *more,
    )


def _stylesheet(place: Place, name: str) -> Html:
    return element("link", rel="stylesheet", href=place.page("assets", name))


def message(place: Place, status: int, text: str) -> str:
    """A page that says why there is no other."""
    title = _TITLES.get(status, "Not possible")
    return document(
        place,
        title,
        element("h1", title),
        element("p", text, class_="problem"),
        element("p", element("a", "To the dashboard", href=place.page())),
    )
