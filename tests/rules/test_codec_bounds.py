"""Too much is refused before it is written, however small it looks.

A limit in milliseconds would fail on a busy machine, so these count what is done: the lines
of Python that run. What is missed by that, one long call of the interpreter, takes minutes
for values of this size.
"""

import gc
import sys
from collections import deque
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel

from fastapi_taskflow.exceptions import TaskArgumentError
from fastapi_taskflow.rules.codec import MAX_DEPTH, Callee, encode
from tests.rules.shapes import Anything, Frozen, Plain, calls, table

TYPES = table()
MANY = 10**6
# A walk over as many nodes as there may be.
_MOST_CALLS = 450_000


class Node(BaseModel):
    left: Any = None
    right: Any = None


TYPES.add(Node)


def doubled(pair: Callable[[Any], Any], leaf: Any = "a") -> Any:
    """A few objects that would be 2 to the 40th, were they written out."""
    value = leaf
    for _ in range(40):
        value = pair(value)
    return value


def nested(wrap: Callable[[Any], Any]) -> Any:
    value = None
    for _ in range(10_000):
        value = wrap(value)
    return value


def circle() -> list[Any]:
    value: list[Any] = []
    value += [value, value]
    return value


SHARED = {
    "lists": lambda: doubled(lambda x: [x, x]),
    "tuples": lambda: doubled(lambda x: (x, x)),
    "dicts": lambda: doubled(lambda x: {"a": x, "b": x}),
    "pairs": lambda: doubled(lambda x: {1: x, 2: x}),
    "deques": lambda: doubled(lambda x: deque([x, x])),
    "dataclasses": lambda: doubled(lambda x: Frozen(key=x, inner=x)),
    "models": lambda: doubled(lambda x: Node.model_construct(left=x, right=x)),
    "a model of what only pydantic knows": lambda: Node.model_construct(
        left=object(), right=doubled(lambda x: [x, x])
    ),
    "models around what cannot be stored": lambda: doubled(
        lambda x: Node.model_construct(left=x, right=x), object()
    ),
    "a circle": circle,
}
DEEP = {
    "lists": lambda: nested(lambda x: [x]),
    "dicts": lambda: nested(lambda x: {"a": x}),
    "tuples": lambda: nested(lambda x: (x,)),
    "dataclasses": lambda: nested(lambda x: Plain(1, parts=x)),
    "models": lambda: nested(lambda x: Anything.model_construct(value=x)),
}
LARGE = {
    "text": lambda: "x" * 10**7,
    "text in a list": lambda: {"a": ["é" * 10**7]},
    "text of surrogates": lambda: "\ud800" * 10**7,
    "bytes": lambda: bytes(10**7),
    "an integer": lambda: 1 << (8 * 10**7),
    "a decimal": lambda: Decimal("1" * 10**6),
    "a key": lambda: {"x" * 10**7: 1},
    "a path": lambda: Path("x" * 10**7),
    "a member of a set": lambda: {"x" * 10**7},
    "a field": lambda: Plain(1, label="x" * 10**7),
    "keys": lambda: dict.fromkeys(map(str, range(MANY))),
    "integers as keys": lambda: dict.fromkeys(range(MANY)),
    "items": lambda: [None] * MANY,
    "members": lambda: set(range(MANY)),
    "items of a deque": lambda: deque([None] * MANY),
    "dates": lambda: [date(2026, 1, 1)] * 200_000,
    "not numbers": lambda: [float("nan")] * 200_000,
    "decimals": lambda: [Decimal(1)] * 200_000,
    "lists": lambda: [[]] * 200_000,
    "objects": lambda: [Plain(1)] * 200_000,
}


def calls_of(value: Any) -> tuple[int, str]:
    """How many functions are called until a value is refused, and what is said."""
    count = 0

    def tick(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    # What other tests left to the collector would be counted, too.
    gc.disable()
    sys.setprofile(tick)
    try:
        with pytest.raises(TaskArgumentError) as caught:
            encode((value,), {}, TYPES)
    finally:
        sys.setprofile(None)
        gc.enable()
    return count, str(caught.value)


@pytest.mark.parametrize("kind", SHARED)
def test_shared_parts_that_double_at_each_level_are_refused(kind):
    count, _ = calls_of(SHARED[kind]())

    assert count < _MOST_CALLS


@pytest.mark.parametrize("kind", DEEP)
def test_deep_nesting_is_refused_at_the_first_level_too_many(kind):
    count, message = calls_of(DEEP[kind]())

    assert count < 10_000
    assert f"more than {MAX_DEPTH} deep" in message


@pytest.mark.parametrize("kind", LARGE)
def test_what_is_too_large_is_refused_before_it_is_written(kind):
    count, message = calls_of(LARGE[kind]())

    assert count < _MOST_CALLS
    assert "262144" in message or "too many lists" in message
    assert len(message) < 1_000


@given(calls)
def test_the_estimate_never_refuses_what_fits(call):
    args, kwargs = call
    payload = encode(args, kwargs, TYPES, max_bytes=10**9)

    assert encode(args, kwargs, TYPES, max_bytes=len(payload)) == payload


def test_large_arguments_that_fit_are_not_refused():
    rows = [{"id": n, "tags": (1, 2), "when": date(2026, 1, 1)} for n in range(500)]
    for value in (rows, [1.5] * 30_000, ["é" * 10] * 2_000, bytes(190_000), [[]] * 20_000):
        payload = encode((value,), {}, TYPES, max_bytes=10**9)
        assert encode((value,), {}, TYPES, max_bytes=max(len(payload), 262_144)) == payload


def test_the_argument_that_takes_most_is_named_where_the_limit_stops_the_walk():
    def send(address, body, note): ...

    with pytest.raises(TaskArgumentError, match="most of them in body,"):
        encode(("a" * 100, "b" * 10**6), {"note": "c" * 50}, TYPES, callee=Callee("send", send))
