"""Titles of tasks: what may be one, and what becomes of it with any arguments."""

import logging
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, SecretStr

from fastapi_taskflow import Sensitive
from fastapi_taskflow.rules.redaction import MASK, Redactor
from fastapi_taskflow.rules.titles import checked_title, title_of
from fastapi_taskflow.words.errors import ConfigurationError


class Order(BaseModel):
    number: int
    password: str = "hunter2-long"  # noqa: S105
    items: list[str] = []


class Hostile:
    def __str__(self) -> str:
        raise SystemExit

    def __repr__(self) -> str:
        raise RuntimeError


@dataclass
class Unhashable:
    def __call__(self, customer: Any) -> str:
        raise ValueError(customer)


def bill(customer: Any, order: Any = None, *, pin: Annotated[str, Sensitive] = "") -> None:
    pass


def title(given: Any, *args: Any, **kwargs: Any) -> str | None:
    return title_of(bill, checked_title(bill, given), args, kwargs, Redactor())


@pytest.mark.parametrize(
    ("given", "args", "expected"),
    [
        ("Bill {customer}", ("Ada",), "Bill Ada"),
        ("Bill {customer:>5}{{}}", (7,), "Bill     7{}".replace("     ", " ")),
        ("{order.number:04d} of {customer[name]}", ({"name": "A"}, Order(number=7)), "0007 of A"),
        ("{order.items[1]}", (1, Order(number=1, items=["a", "b"])), "b"),
        ("{customer} {order}", (date(2026, 1, 2),), "2026-01-02 None"),
        ("Two\nlines {customer}", ("\x1b[31mred\n\u202e",), "Two lines red \\u202e"),
        ("{customer}", ([1, "x"],), "[1, 'x']"),
        (lambda customer, order=None, pin="": f"for {customer}", ("Ada",), "for Ada"),
        (lambda *_: None, ("Ada",), None),
        ("{customer}", (Hostile(),), "Hostile()"),
        ("", ("Ada",), None),
        (None, ("Ada",), None),
    ],
)
def test_a_title_is_made_of_the_arguments(
    given: Any, args: tuple[Any, ...], expected: str | None
) -> None:
    assert title(given, *args) == expected


@pytest.mark.parametrize(
    ("given", "args", "kwargs"),
    [
        ("{pin}", (1,), {"pin": "12"}),
        ("{customer[password]}", ({"password": "ab"},), {}),
        ("{order.password}", (1, Order(number=1)), {}),
        ("{customer}", (SecretStr("hunter2-long"),), {}),
        (lambda customer, order: order.password, (1, Order(number=1)), {}),
    ],
)
def test_secrets_are_hidden(given: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert title(given, *args, **kwargs) == MASK


def test_secrets_inside_of_what_is_shown_are_hidden() -> None:
    shown = title("{customer}", {"api_key": "canary-4242", "n": 1})

    assert shown == f"{{'api_key': '{MASK}', 'n': 1}}"


def test_a_long_title_is_cut() -> None:
    shown = title("{customer}", "é" * 1_000_000)

    assert shown == "é" * 199 + "…"


@pytest.mark.parametrize(
    ("given", "args"),
    [
        ("{customer.missing}", (1,)),
        ("{customer:d}", ("text",)),
        ("{customer}", ()),
        (lambda customer: 1 // 0, (1,)),
        (lambda customer: Hostile(), (1,)),
        (lambda customer: [].append, (1,)),
        (Unhashable(), (1,)),
    ],
)
def test_an_error_in_a_title_is_no_error_of_the_task(
    given: Any, args: tuple[Any, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert title(given, *args) is None


@pytest.mark.parametrize(
    "given",
    [
        *("{", "{}", "{0}", "{customers}", "{customer.__class__}", "{customer!r}"),
        *("{customer:{order}}", "{customer:1000}", 7, Order, b"x"),
    ],
)
def test_what_can_be_no_title_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="title"):
        checked_title(bill, given)


def test_a_coroutine_function_is_refused() -> None:
    async def named(customer: str) -> str:
        return customer

    with pytest.raises(ConfigurationError, match="plain function"):
        checked_title(bill, named)
