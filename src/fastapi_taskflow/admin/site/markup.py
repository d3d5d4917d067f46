"""HTML that is escaped by construction: only what `element` made is taken as markup.

Plain text, from wherever it comes, is escaped where it is put into an element or attribute.
Joining or formatting markup with the means of `str` gives plain text again, so a mistake
shows as visible tags, never as a hole.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from fastapi_taskflow.words.texts import clean

__all__ = ["Child", "Html", "element", "fragment", "page"]

# Elements without content or end tag.
_VOID = frozenset({"input", "link", "meta", "br"})


class Html(str):
    """Markup. Nothing but this module makes one."""

    __slots__ = ()


Child: TypeAlias = "Html | str | int | Iterable[Child] | None"


def element(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """One element; its ``name`` never comes from data.

    Args:
        children: Markup, or text to be escaped; None is nothing.
        attributes: ``class_`` is ``class``, ``data_label`` is ``data-label``. True is an
            attribute without a value; None and False leave it out.
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{fragment(*children)}</{name}>")


def fragment(*children: Child) -> Html:
    """Several children after one another."""
    return Html("".join(_rendered(child) for child in children))


def page(html: Html) -> str:
    """A whole document."""
    return f"<!doctype html>\n{html}\n"


def _rendered(child: Child) -> str:
    match child:
        case None:
            return ""
        case Html():
            return child
        case str():
            # Without control characters and lone surrogates, which HTML has no form for.
            return escape(clean(child))
        case int():
            return str(child)
        case _:
            return fragment(*child)


def _attribute(key: str, value: str | int | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    return f' {name}="{escape(clean(str(value)))}"'
