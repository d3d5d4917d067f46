"""Whether arguments fit a function, without asking `inspect` for each call."""

import inspect
from inspect import Parameter
from typing import Annotated, Any

import pytest
from fastapi import Depends, Request
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.app.background import ManagedBackgroundTasks
from fastapi_taskflow.exceptions import TaskArgumentError
from fastapi_taskflow.rules.registry import TaskRegistry
from fastapi_taskflow.rules.shapes import own_options, shape_of

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


class Session: ...


def session() -> Session:
    return Session()


async def with_a_default(order: int, found: Any = Depends(session)) -> None: ...  # noqa: B008
async def annotated(order: int, found: Annotated[Session, Depends(session)]) -> None: ...
async def in_text(order: int, found: "Annotated[Session, Depends(session)]") -> None: ...
async def of_the_request(order: int, found: Request) -> None: ...
async def for_tasks(order: int, found: ManagedBackgroundTasks) -> None: ...


@pytest.mark.parametrize(
    "func",
    [with_a_default, annotated, in_text, of_the_request, for_tasks],
    ids=lambda f: f.__name__,
)
def test_what_fastapi_gives_to_endpoints_nobody_gives_to_tasks(func: Any) -> None:
    with pytest.raises(TaskArgumentError, match="found would be what FastAPI's Depends"):
        checked(func, 7)

    checked(func, 7, found=Session())


async def with_unknown_names(order: int, found: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


def test_an_annotation_that_means_nothing_hides_no_mistake() -> None:
    with pytest.raises(TaskArgumentError, match=r"required argument: 'found'. It takes \(order, f"):
        checked(with_unknown_names, 7)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("retries", r"retries is a setting of the function: @task_manager.task\(retries=...\)"),
        ("priority", "priority is an option of add_task and enqueue, beside"),
        ("eager", "eager is an option of add_task, beside"),
        ("priorty", "Did you mean 'priority'"),
        ("timeouts", "Did you mean 'timeout'"),
        ("timeout_", "Did you mean 'timeout'"),
    ],
)
def test_a_keyword_in_the_wrong_place_is_sent_to_the_right_one(given: str, advice: str) -> None:
    def fetch(address: str, timeout: float = 3.0) -> None: ...

    with pytest.raises(TaskArgumentError, match=advice):
        checked(fetch, "x", **{given: 1})


def checked(func: Any, *args: Any, **kwargs: Any) -> None:
    shape = shape_of(func)
    assert shape is not None
    shape.check("buy", args, kwargs)
