"""Functions for child processes whose ends are not easily sent."""

import os
import socket
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from tests.support.childwork import TwoArguments

__all__ = ["EXPECTED", "gives", "pid", "raises", "raises_group"]


class Leaving:
    def __reduce__(self) -> NoReturn:
        raise SystemExit


class OneWay:
    """Can be made again in the process that pickled it only."""

    def __init__(self, *, leaves: bool = False) -> None:
        self.leaves = leaves
        self.home = os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["home"] != os.getpid():
            raise SystemExit if state["leaves"] else RuntimeError


class Opaque(Exception):
    """Tells nothing of itself."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError(name)


class Loses(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")


class Holds(Exception):
    """What it holds cannot be sent."""


class Refuses(Exception):
    def __reduce__(self) -> NoReturn:
        raise SystemExit

    def __str__(self) -> NoReturn:
        raise SystemExit


class Becomes(Exception):
    """Its pickle is no exception."""

    def __reduce__(self) -> Any:
        return str, ("no exception",)


class Stays(Exception):
    """Cannot be made in another process."""

    def __setstate__(self, state: Any) -> None:
        if state["home"] != os.getpid():
            raise SystemExit


def gives(name: str) -> Any:
    class Local:
        name = "by value"

    made: dict[str, Callable[[], Any]] = {
        "lock": threading.Lock,
        "socket": socket.socket,
        "leaving": Leaving,
        "one way": OneWay,
        "one way out": lambda: OneWay(leaves=True),
        "big": lambda: b"x" * 20_000_000,
        "local": Local,
    }
    return made[name]()


def pid() -> int:
    return os.getpid()


def _stays() -> Exception:
    error = Stays("here")
    error.home = os.getpid()  # type: ignore[attr-defined]
    return error


ERRORS: dict[str, Callable[[], BaseException]] = {
    "by its arguments": lambda: TwoArguments("one", "two"),
    "with arguments of its own": lambda: Loses(5),
    "of the system": lambda: FileNotFoundError(2, "gone", "a.txt"),
    "with a lock": lambda: Holds(threading.Lock()),
    "large": lambda: Holds("x" * 2_000_000),
    "refuses": lambda: Refuses("no"),
    "becomes a text": lambda: Becomes("what"),
    "stays": _stays,
    "tells nothing": lambda: Opaque("what"),
}

# Its class and arguments; None: they do not matter.
EXPECTED: dict[str, tuple[str, tuple[Any, ...] | None]] = {
    "by its arguments": ("TwoArguments", ("one: two",)),
    "with arguments of its own": ("Loses", ("code 5",)),
    "of the system": ("FileNotFoundError", (2, "gone")),
    "with a lock": ("Holds", ()),
    "large": ("Holds", ()),
    "refuses": ("Refuses", ("no",)),
    "becomes a text": ("Becomes", ("what",)),
    "stays": ("RuntimeError", None),
}


def raises(name: str) -> None:
    error = ERRORS[name]()
    raise error


def raises_group() -> None:
    group = ExceptionGroup("both", [TwoArguments("one", "two"), KeyError("three")])
    group.add_note("a note")
    raise group from LookupError("the cause")
