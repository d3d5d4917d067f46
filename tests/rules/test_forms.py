"""A call's arguments by parameter, some of them replaced, are a call of the same function."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fastapi_taskflow.rules.forms import form_of


def by_place(first: int = 1, second: int = 2, /, third: int = 3) -> Any:
    return first, second, third


def with_more(first: int = 1, second: int = 2, *more: int, last: int = 4) -> Any:
    return first, second, more, last


def by_name(first: int, second: object = object, *, last: int = 4) -> Any:
    return first, second, last


@pytest.mark.parametrize(
    ("func", "args", "typed", "expected"),
    [
        (by_place, (), {"second": 9}, (1, 9, 3)),
        (by_place, (), {"third": 9}, (1, 2, 9)),
        (by_place, (8, 7), {"first": 9}, (9, 7, 3)),
        (with_more, (), {"more": [8, 9]}, (1, 2, (8, 9), 4)),
        (with_more, (5,), {"more": [8], "last": 7}, (5, 2, (8,), 7)),
        (with_more, (5, 6, 7), {"more": []}, (5, 6, (), 4)),
        (with_more, (), {"more": []}, (1, 2, (), 4)),
        (with_more, (), {"second": 9}, (1, 9, (), 4)),
    ],
)
def test_what_is_replaced_behind_a_default_comes_at_its_own_place(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    typed: Mapping[str, Any],
    expected: tuple[Any, ...],
) -> None:
    changed, kwargs = form_of(func).changed(args, {}, typed)

    assert func(*changed, **kwargs) == expected


def test_a_default_that_need_not_be_sent_is_not() -> None:
    assert form_of(by_name).changed((), {"first": 1}, {"last": 5}) == ((1,), {"last": 5})
    assert form_of(with_more).changed((), {}, {"last": 5}) == ((), {"last": 5})
