"""The frame of every page, and the small things that all of them show."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi_taskflow.admin.site.markup import Child, Html, element, fragment, page
from fastapi_taskflow.admin.site.site import Place
from fastapi_taskflow.backends.base import Grade
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["badge", "button", "document", "duration", "message", "moment", "section", "table"]

_OPEN = (
    "Open to everybody: TaskAdmin was made with auth=None. Whoever reaches this page may do "
    "all that it offers."
)
_GRADES = {
    Grade.A: "Durable tasks survive power loss.",
    Grade.B: "Durable tasks survive a crash of the process, not of the machine.",
    Grade.C: "Memory only: tasks do not survive a restart.",
}
_TITLES = {403: "Not allowed", 404: "Not found"}
_MILLISECOND, _MINUTE, _HOUR, _DAY = 0.001, 60, 3600, 86_400


def document(
    place: Place,
    title: str,
    *content: Child,
    controls: Child = None,
    refresh: int = 0,
    grade: Grade | None = None,
) -> str:
    """A whole page.

    Args:
        title: Of this page; the site's own follows it.
        controls: Beside the site's title.
        refresh: Load the page again after so many seconds; 0: never.
        grade: What the store survives, for the footer.
    """
    site = place.site
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Without it, a form sent over plain HTTP has `Origin: null`, which is refused.
        element("meta", name="referrer", content="same-origin"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="refresh", content=refresh) if refresh else None,
        element("title", f"{title} · {site.title}"),
        element("link", rel="icon", type="image/svg+xml", href=place.page("assets", "icon.svg")),
        element("link", rel="stylesheet", href=place.page("assets", "status.css")),
    )
    body = element(
        "body",
        element("a", "Skip to the content", class_="skip", href="#content"),
        element(
            "header",
            element("a", site.title, class_="home", href=place.page()),
            controls,
            _account(place),
        ),
        element(
            "main",
            element("p", _OPEN, class_="banner", role="alert") if site.open_to_all else None,
            *content,
            id="content",
        ),
        _footer(grade),
    )
    return page(element("html", head, body, lang="en"))


def _account(place: Place) -> Html | None:
    visitor = place.visitor
    if visitor is None or not visitor.in_session:
        return None
    logout = place.path("auth", "logout")
    return element(
        "div",
        element("span", element("strong", visitor.name), " ", visitor.role),
        button(logout, "Sign out"),
        button(f"{logout}?everywhere=true", "Everywhere", spoken="Sign out in all browsers"),
        class_="account",
    )


def _footer(grade: Grade | None) -> Html:
    return element(
        "footer",
        element("p", "As of ", _stamp(SYSTEM_CLOCK.now()), ". All times are UTC."),
        element("p", _GRADES[grade]) if grade is not None else None,
    )


def message(place: Place, status: int, text: str) -> str:
    """A page that says why there is no other."""
    title = _TITLES.get(status, "Not possible")
    return document(
        place,
        title,
        element("h1", title),
        element("p", text, class_="problem"),
        element("p", element("a", "All tasks", href=place.page())),
    )


def section(title: str, *content: Child) -> Html:
    """A part of a page under its title."""
    return element("section", element("h2", title), *content)


def table(columns: list[str], rows: list[list[Child]], *, caption: str) -> Html:
    """A table that becomes a list of cards where there is no room for columns."""
    head = element("tr", [element("th", name, scope="col") for name in columns])
    body = [
        element(
            "tr",
            [
                element("td", cell, data_label=name)
                for name, cell in zip(columns, cells, strict=True)
            ],
        )
        for cells in rows
    ]
    return element(
        "table",
        element("caption", caption, class_="unseen"),
        element("thead", head),
        element("tbody", body),
    )


def badge(status: TaskStatus) -> Html:
    """A task's state, in words and colour."""
    return element("span", status.value, class_=f"badge {status.value}")


def button(action: str, label: str, *, spoken: str | None = None) -> Html:
    """A form with one button; ``spoken`` is all of what it does, for who cannot see where."""
    return element(
        "form",
        element("button", label, type="submit", aria_label=spoken, title=spoken),
        method="post",
        action=action,
    )


def moment(at: datetime | None) -> Html | None:
    """When it was, and how long ago."""
    if at is None:
        return None
    away = (SYSTEM_CLOCK.now() - at).total_seconds()
    near = f"{_span(away)} ago" if away >= 0 else f"in {_span(-away)}"
    return fragment(_stamp(at), " ", element("span", near, class_="aside"))


def duration(seconds: float | None) -> str | None:
    """A length of time for people."""
    if seconds is None:
        return None
    if seconds < _MILLISECOND:
        return "< 1 ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def _stamp(at: datetime) -> Html:
    text = at.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    return element("time", text, datetime=at.isoformat())


def _span(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR:.0f} h"
    return f"{timedelta(seconds=seconds).days} d"
