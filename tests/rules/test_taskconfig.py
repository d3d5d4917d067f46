import functools
import math
from dataclasses import replace

import pytest

from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.models import TaskConfig
from fastapi_taskflow.rules.placing import is_coroutine_callable
from fastapi_taskflow.rules.taskconfig import checked_config


def plain() -> None: ...


async def coroutine() -> None: ...


def generator():
    yield


async def async_generator():
    yield


NUMBERS = (-1, -0.5, math.nan, math.inf, True, "1", b"1", [1])
WRONG = [
    *[("retries", value) for value in (-1, 1.5, math.nan, math.inf, True, None, "3")],
    *[(name, value) for name in ("delay", "backoff", "jitter") for value in (*NUMBERS, None)],
    *[(name, value) for name in ("max_delay", "timeout") for value in NUMBERS],
    ("timeout", 0),
    ("timeout", 0.0),
    ("jitter", 1.01),
    ("priority", 1.0),
    ("priority", True),
    ("priority", "high"),
    ("persist", 1),
    ("requeue_on_interrupt", None),
    ("eager", "yes"),
    ("queue", ""),
    ("queue", 3),
    ("name", ""),
    ("name", "a\nb"),
    ("name", "\x00"),
    ("name", "\ud800"),
    ("name", "x" * 201),
    ("name", 3),
    ("retry_on", ("ValueError",)),
    ("retry_on", int),
    ("retry_on", (ValueError, 3)),
    ("retry_on", None),
    ("no_retry_on", (object,)),
    ("no_retry_on", ValueError("instance")),
]


@pytest.mark.parametrize(("setting", "value"), WRONG, ids=repr)
def test_a_setting_that_cannot_work_is_refused_by_name(setting, value):
    with pytest.raises(ConfigurationError, match=f"^{setting} takes"):
        checked_config(plain, replace(TaskConfig(), **{setting: value}))


def test_the_message_shows_what_was_found():
    with pytest.raises(ConfigurationError, match=r"from 0 up, got -3\."):
        checked_config(plain, TaskConfig(retries=-3))


def test_settings_at_their_bounds_are_taken_as_they_are():
    config = TaskConfig(
        retries=0,
        delay=0,
        backoff=0.0,
        jitter=1,
        max_delay=0.0,
        timeout=0.001,
        priority=-5,
        name="x" * 200,
        queue="mail",
        retry_on=(ValueError, KeyboardInterrupt),
    )

    assert checked_config(plain, config) is config


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (ValueError, (ValueError,)),
        ([ValueError, KeyError], (ValueError, KeyError)),
        ((), ()),
    ],
)
def test_exception_types_come_as_one_or_several(given, taken):
    config = TaskConfig(retry_on=given, no_retry_on=given)

    checked = checked_config(plain, config)

    assert (checked.retry_on, checked.no_retry_on) == (taken, taken)
    assert config.retry_on is given


@pytest.mark.parametrize(("func", "executor"), [(plain, "async"), (coroutine, "thread")])
def test_an_executor_that_does_not_fit_the_function_is_refused(func, executor):
    with pytest.raises(ConfigurationError, match=f"executor='{executor}' on the"):
        checked_config(func, TaskConfig(executor=executor))


@pytest.mark.parametrize(("func", "executor"), [(plain, "thread"), (coroutine, "async")])
def test_an_executor_that_fits_is_taken(func, executor):
    assert checked_config(func, TaskConfig(executor=executor)).executor == executor


def test_the_process_executor_takes_what_can_be_imported():
    assert checked_config(plain, TaskConfig(executor="process")).executor == "process"


def test_an_unknown_executor_brings_a_suggestion():
    with pytest.raises(ConfigurationError, match="Did you mean 'thread'"):
        checked_config(plain, TaskConfig(executor="thraed"))


@pytest.mark.parametrize("func", [generator, async_generator])
def test_a_generator_is_refused_because_calling_it_runs_nothing(func):
    with pytest.raises(ConfigurationError, match="generator"):
        checked_config(func, TaskConfig())


@pytest.mark.parametrize("wrap", [staticmethod, classmethod])
def test_a_method_descriptor_is_refused_with_the_right_order(wrap):
    with pytest.raises(ConfigurationError, match=f"below @{wrap.__name__}"):
        checked_config(wrap(plain), TaskConfig())


def test_what_has_no_name_needs_one():
    nameless = functools.partial(plain)

    with pytest.raises(ConfigurationError, match="name="):
        checked_config(nameless, TaskConfig())

    assert checked_config(nameless, TaskConfig(name="n")).name == "n"


def test_what_could_not_be_found_again_is_refused():
    class Nameless:
        __hash__ = None

        def __call__(self): ...

    with pytest.raises(ConfigurationError, match="no hash"):
        checked_config(Nameless(), TaskConfig(name="n"))


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ConfigurationError, match="Expected a function"):
        checked_config("plain", TaskConfig())


def test_a_coroutine_function_is_seen_through_partials():
    assert is_coroutine_callable(functools.partial(functools.partial(coroutine)))
    assert not is_coroutine_callable(functools.partial(plain))
