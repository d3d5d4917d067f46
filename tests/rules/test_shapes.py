"""Whether arguments fit a function, without asking `inspect` for each call."""

import inspect
from inspect import Parameter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.errors import TaskArgumentError
from fastapi_taskflow.registry import TaskRegistry
from fastapi_taskflow.shapes import own_options, shape_of

OPEN = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
KINDS = (
    Parameter.POSITIONAL_ONLY,
    Parameter.POSITIONAL_OR_KEYWORD,
    Parameter.KEYWORD_ONLY,
    *OPEN,
)
signatures = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(KINDS), st.booleans()),
    max_size=4,
    unique_by=lambda part: part[0],
)
calls = st.tuples(
    st.lists(st.just(1), max_size=4),
    st.dictionaries(st.sampled_from("abcde"), st.just(2), max_size=4),
)


def function_of(parts: list[tuple[str, Any, bool]]) -> Any:
    """A function with such parameters; None if there can be none."""
    parameters = []
    for name, kind, optional in sorted(parts, key=lambda part: part[1]):
        default = 0 if optional and kind not in OPEN else Parameter.empty
        parameters.append(Parameter(name, kind, default=default))
    scope: dict[str, Any] = {}
    try:
        exec(f"def called{inspect.Signature(parameters)}: ...", scope)  # noqa: S102
    except (SyntaxError, ValueError):
        return None
    return scope["called"]


@given(signatures, st.lists(calls, max_size=10))
def test_it_says_what_python_says(
    parts: list[tuple[str, Any, bool]], made: list[tuple[list[int], dict[str, int]]]
) -> None:
    called = function_of(parts)
    shape: Any = called and shape_of(called)

    for args, kwargs in made if shape else []:
        try:
            called(*args, **kwargs)
        except TypeError:
            with pytest.raises(TaskArgumentError):
                shape.check("task", tuple(args), kwargs)
        else:
            shape.check("task", tuple(args), kwargs)


class Vain:
    """Its signature cannot be asked for."""

    @property
    def __signature__(self) -> Any:
        raise RuntimeError("no")

    def __call__(self, tags: str) -> None: ...


def test_what_has_no_signature_is_not_checked() -> None:
    assert shape_of(Vain()) is None
    assert own_options(Vain()) == frozenset()
    assert TaskRegistry().adopt(print).shape is None


def test_a_default_is_not_written_into_a_message() -> None:
    def work(one: Any, two: Any) -> None: ...

    work.__defaults__ = (Vain(),)
    shape = shape_of(work)
    assert shape is not None
    with pytest.raises(TaskArgumentError, match=r"It takes \(one, two=\.\.\.\)"):
        shape.check("work", (), {})
