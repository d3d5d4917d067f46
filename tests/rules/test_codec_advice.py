"""Objects that people often pass and that cannot be stored: what to pass instead."""

import dataclasses
import io
from collections.abc import Callable

import pytest
from fastapi import BackgroundTasks, Request, UploadFile

from fastapi_taskflow.exceptions import TaskArgumentError
from fastapi_taskflow.rules.codec import TypeTable, encode


def mapped() -> type:
    """As SQLAlchemy leaves a class that it has mapped."""
    return type("Customer", (), {"__module__": "shop.models", "__mapper__": object()})


async def later() -> None: ...


def lines():
    yield "one"


@dataclasses.dataclass
class Order:
    number: int = 1

    __mapper__ = object()


OBJECTS: dict[str, tuple[Callable[[], object], str]] = {
    "row": (mapped(), "a row of a database; pass its id"),
    "dataclass row": (Order, "a row of a database; pass its id"),
    "request": (lambda: Request({"type": "http"}), "ends with its request"),
    "upload": (lambda: UploadFile(io.BytesIO()), "is closed with its request"),
    "background tasks": (BackgroundTasks, "belongs to a response"),
    "builtin": (lambda: len, "is a function"),
    "function": (lambda: later, "is a function"),
    "generator": (lines, "can be read once only; pass a list"),
    "file": (io.BytesIO, "is an open file"),
}


@pytest.mark.parametrize("what", OBJECTS)
def test_objects_of_one_place_are_refused_with_what_to_pass_instead(what: str) -> None:
    make, told = OBJECTS[what]

    with pytest.raises(TaskArgumentError, match=told):
        encode((make(),), {}, TypeTable())


def test_a_coroutine_is_to_be_awaited_first():
    coroutine = later()

    with pytest.raises(TaskArgumentError, match="await it and pass what it gives"):
        encode((coroutine,), {}, TypeTable())

    coroutine.close()
