"""Classes whose objects are sent to child processes and back, and functions that do it."""

import hashlib
import threading
from dataclasses import dataclass
from typing import Any, NoReturn

from fastapi_taskflow import task_log

__all__ = ["ByFields", "NoWayBack", "Packs", "Unknown", "durable", "plain", "shown"]


@dataclass
class ByFields:
    """The codec knows it; a pickle does not."""

    name: str
    numbers: list[int]

    def __reduce__(self) -> NoReturn:
        raise RuntimeError("not as a pickle")


class Unknown:
    """A pickle knows it; the codec does not."""

    def __init__(self, name: str) -> None:
        self.name = name


class NoWayBack:
    """Can be sent, and not be made again."""

    def __reduce__(self) -> Any:
        return int, ("no number.",)


class Packs:
    """Its pickle takes until somebody lets it go on."""

    def __init__(self) -> None:
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def __reduce__(self) -> Any:
        self.begun.set()
        self.goes_on.wait()
        return str, ("packed",)


def shown(value: Any) -> str:
    """A text that tells a value and its type."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if isinstance(value, ByFields | Unknown):
        return f"{type(value).__name__}: {' '.join(map(str, vars(value).values()))}"
    return f"called: {value()}" if callable(value) else repr(value)


def plain(value: ByFields) -> None:
    task_log(shown(value))


def durable(value: ByFields) -> None:
    task_log(shown(value))
