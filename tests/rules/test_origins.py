"""Which functions may share a task name: the same one from another run of its module."""

import functools
import importlib
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.models import TaskConfig
from fastapi_taskflow.rules.registry import TaskRegistry

MODULE = """
import functools

def logged(func):
    @functools.wraps(func)
    def wrapper(*args):
        return func(*args)
    return wrapper

def hidden(func):
    def wrapper(*args):
        return func(*args)
    return wrapper

def send(address): ...

@logged
def charge(amount): ...

bill = hidden(charge)
to_ada = functools.partial(send, "ada")
"""


@pytest.fixture
def registry() -> TaskRegistry:
    return TaskRegistry()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "jobs_of_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("jobs_of_a_test")
    sys.modules.pop("jobs_of_a_test", None)


def register(registry: TaskRegistry, func: Callable[..., object], name: str) -> None:
    registry.register(func, TaskConfig(name=name))


@pytest.mark.parametrize("name", ["send", "charge", "bill", "to_ada"])
def test_a_reload_replaces_the_function_of_a_name(
    registry: TaskRegistry, module: ModuleType, name: str
) -> None:
    old = getattr(module, name)
    register(registry, old, name)
    path = Path(str(module.__file__))
    path.write_text("# edited: all lines move\n" + path.read_text())

    importlib.reload(module)
    register(registry, getattr(module, name), name)

    entry = registry.by_name(name)
    assert entry is not None
    assert entry.func is getattr(module, name) is not old
    # Modules that were not reloaded hold the old one.
    found = registry.find(old)
    assert found is not None
    assert found.func is old


@pytest.mark.parametrize("run_as", ["__main__", "__mp_main__"])
def test_a_script_and_its_module_are_one_place(
    registry: TaskRegistry, module: ModuleType, run_as: str
) -> None:
    script = runpy.run_path(str(module.__file__), run_name=run_as)
    register(registry, script["send"], "send")

    register(registry, module.send, "send")

    entry = registry.by_name("send")
    assert entry is not None
    assert entry.func is module.send
    assert registry.is_registered(script["send"])


def test_one_name_in_two_files_is_refused(
    registry: TaskRegistry, module: ModuleType, tmp_path: Path
) -> None:
    copy = tmp_path / "copied.py"
    copy.write_text(MODULE)
    register(registry, module.send, "send")

    with pytest.raises(ConfigurationError, match=r"one task name.*jobs_of_a_test\.py:\d+"):
        register(registry, runpy.run_path(str(copy), run_name="copied")["send"], "send")


def test_two_functions_of_one_name_in_one_file_are_refused(
    registry: TaskRegistry, module: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "twice.py").write_text("def send(): ...\nfirst = send\ndef send(): ...\n")
    twice = importlib.import_module("twice")
    register(registry, twice.first, "send")

    with pytest.raises(ConfigurationError, match="Two functions with one task name"):
        register(registry, twice.send, "send")

    assert not registry.is_registered(twice.send)


def make(word: str) -> Callable[[], str]:
    def note() -> str:
        return word

    return note


def make_by_default(word: str) -> Callable[[], str]:
    def note(word: str = word) -> str:
        return word

    return note


def make_partial(word: str) -> Callable[[], str]:
    return functools.partial(str.upper, word)


def make_method(word: str) -> Callable[[], str]:
    class Holder:
        def note(self) -> str:
            return word

    return Holder().note


def make_lambda(word: str) -> Callable[[], str]:
    return lambda: word


FACTORIES = [make, make_by_default, make_partial, make_method, make_lambda]


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_factory_s_second_function_needs_a_name_of_its_own(
    registry: TaskRegistry, factory: Callable[[str], Callable[[], str]]
) -> None:
    first, second = factory("one"), factory("two")
    register(registry, first, "note")

    with pytest.raises(ConfigurationError, match="Two functions with one task name"):
        register(registry, second, "note")

    entry = registry.by_name("note")
    assert entry is not None
    assert entry.func is first
    register(registry, second, "note two")
    assert registry.names() == {"note", "note two"}


def test_two_lambdas_are_two_tasks(registry: TaskRegistry) -> None:
    registry.register(lambda: 1, TaskConfig())

    with pytest.raises(ConfigurationError, match="Two functions"):
        registry.register(lambda: 2, TaskConfig())


def test_a_function_made_again_with_the_same_values_is_the_same(registry: TaskRegistry) -> None:
    first, second = make("one"), make("one")
    register(registry, first, "note")

    register(registry, second, "note")

    entry = registry.by_name("note")
    assert entry is not None
    assert entry.func is second


def test_a_function_that_calls_itself_can_be_made_again(registry: TaskRegistry) -> None:
    def factory() -> Callable[[int], int]:
        def count(n: int) -> int:
            return count(n - 1) if n else 0

        return count

    register(registry, factory(), "count")
    register(registry, factory(), "count")


def test_a_cell_of_a_notebook_may_run_again(registry: TaskRegistry) -> None:
    notebook: dict[str, Any] = {"__name__": "__main__"}
    for cell in ("<cell 1>", "<cell 2>", "<cell 2>"):
        exec(compile("def send(): ...", cell, "exec"), notebook)  # noqa: S102  (as notebooks do)
        register(registry, notebook["send"], "send")

    entry = registry.by_name("send")
    assert entry is not None
    assert entry.func is notebook["send"]
