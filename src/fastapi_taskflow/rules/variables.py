"""Context variables by the names under which another process finds them.

They cannot be pickled, and what they call themselves need not be unique. So each goes by where it
stands: a global of a module, or an attribute of a class in one. To look through all modules takes
some milliseconds, and is done once for a variable.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from contextvars import Context, ContextVar
from importlib import import_module
from threading import Lock
from typing import Any

__all__ = ["Place", "Places", "variable_at"]

# What they say of a request or an event loop is of no use in another process.
_OF_THE_SERVER = (
    *("anyio", "asyncio", "fastapi", "pydantic", "sniffio", "starlette", "uvicorn"),
    *("fastapi_taskflow.app", "fastapi_taskflow.rules"),
    # Its context has a form of its own to travel in.
    "opentelemetry",
)
# Variables that are looked for: they may be made by the call, though none should be.
_MOST = 1_000
# Modules that import a variable have it too.
_MOST_PLACES = 8


Place = tuple[str, str]
"""Where a variable stands: a module, and its name there."""


class Places:
    """Where variables stand, as far as they were asked for. For any thread."""

    def __init__(self) -> None:
        # Protects _known while modules are looked through.
        self._lock = Lock()
        self._known: dict[ContextVar[Any], tuple[Place, ...]] = {}

    def of(self, context: Context) -> Iterator[tuple[tuple[Place, ...], Any]]:
        """What is set, with each variable's places; one that stands nowhere is left out."""
        known = self._known
        if unknown := [variable for variable in context if variable not in known]:
            self._look(unknown)
        for variable, value in context.items():
            if places := known.get(variable):
                yield places, value

    def known(self, context: Context) -> list[Any] | None:
        """What `of` gives of values; None: it would have to look for some variables first."""
        known = self._known
        if any(variable not in known for variable in context):
            return None
        return [value for variable, value in context.items() if known[variable]]

    def _look(self, wanted: list[ContextVar[Any]]) -> None:
        with self._lock:
            found: dict[ContextVar[Any], list[Place]] = {variable: [] for variable in wanted}
            if len(self._known) + len(found) > _MOST:
                return
            for place, variable in _all():
                if variable in found:
                    found[variable].append(place)
            for variable, places in found.items():
                # The one that was begun last is rather where it is made than where it is used.
                self._known[variable] = () if _is_the_servers(places) else _chosen(places)


def _is_the_servers(places: list[Place]) -> bool:
    return any(
        f"{module}.".startswith(f"{name}.") for module, _ in places for name in _OF_THE_SERVER
    )


def _chosen(places: list[Place]) -> tuple[Place, ...]:
    """The program that was started comes last: to run it again is the most work."""
    places.reverse()
    places.sort(key=lambda place: place[0] in _PROGRAM)
    return tuple(places[:_MOST_PLACES])


_PROGRAM = ("__main__", "__mp_main__")


def _all() -> Iterator[tuple[Place, ContextVar[Any]]]:
    for name, module in list(sys.modules.items()):
        for key, value in _members(module):
            if type(value) is ContextVar:
                yield (name, key), value
            elif type(value) is type and value.__module__ == name:
                for inner, member in _members(value):
                    if type(member) is ContextVar:
                        yield (name, f"{key}.{inner}"), member


def _members(owner: object) -> list[tuple[str, Any]]:
    # Anything may stand for a module, and answer anything.
    with suppress(Exception):
        return list(object.__getattribute__(owner, "__dict__").items())
    return []


def variable_at(places: tuple[Place, ...]) -> ContextVar[Any] | None:
    """The variable, in this process; modules that are loaded are asked first."""
    loaded = [place for place in places if place[0] in sys.modules]
    for module, qualname in (*loaded, *places):
        # An import runs a module's code, and may raise anything.
        with suppress(Exception):
            found: object = import_module(module)
            for name in qualname.split("."):
                found = getattr(found, name)
            if type(found) is ContextVar:
                return found
    return None
