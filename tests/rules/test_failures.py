"""Which failures are the same, whatever moves in the files around them."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi_taskflow.rules.ends import failure
from fastapi_taskflow.rules.failures import group_of, site_of
from fastapi_taskflow.words.failures import Site

CODE = """
import json
from helpers_of_app import parse

class Refused(Exception):
    pass

def work(text, depth=0):
    if depth:
        return work(text, depth - 1)
    return read(text)

def read(text):
    if text == "refuse":
        raise Refused(text)
    return json.loads(text)

async def other(text):
    return read(text)
"""


def module(place: Path, code: str, name: str = "app_tasks") -> Any:
    file = place / f"{name}.py"
    file.write_text(code)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def raised(call: Callable[..., Any], *args: Any) -> BaseException:
    try:
        call(*args)
    except BaseException as exc:
        return exc
    raise AssertionError


def site(call: Callable[..., Any], *args: Any) -> Site:
    return site_of(raised(call, *args))


def test_a_group_survives_shifted_lines_and_other_values(tmp_path: Path) -> None:
    code = CODE.replace("from helpers_of_app import parse\n", "")
    before = module(tmp_path, code)
    after = module(
        tmp_path, "# a comment\n\n\nX = 1\n" + code.replace("    return read", "\n    return read")
    )

    one, same = site(before.work, "{"), site(after.work, "[[[")

    # The frames of json are not the app's.
    assert one.frames[-2:] == ("app_tasks:work", "app_tasks:read")
    assert one == same
    assert site(before.work, "{", 30) == one
    assert group_of("work", one) == group_of("work", same)


def test_another_class_or_way_or_function_is_another_group(tmp_path: Path) -> None:
    tasks = module(tmp_path, CODE.replace("from helpers_of_app import parse\n", ""))
    sites = [site(tasks.work, "{"), site(tasks.work, "refuse"), site(tasks.read, "{")]

    groups = {group_of("work", one).group for one in sites} | {group_of("f", sites[0]).group}

    assert len(groups) == 4
    assert [one.kind for one in sites[:2]] == ["json.decoder.JSONDecodeError", "app_tasks.Refused"]


def test_an_app_that_is_installed_itself_keeps_its_own_frames(tmp_path: Path) -> None:
    place = tmp_path / "site-packages"
    place.mkdir()
    installed = module(place, "def work(call):\n    return call()\n", "shop")
    library = module(place, "def load():\n    raise OSError\n", "library")

    error = raised(installed.work, library.load)
    assert error.__traceback__ is not None

    # Without that of this file: the first is the task's function.
    found = site_of(error.with_traceback(error.__traceback__.tb_next))

    assert found.frames == ("shop:work",)


def test_names_that_are_made_at_run_time_are_one_group() -> None:
    kinds = [type(f"Error_{n}", (Exception,), {}) for n in (10_001, 20_002)]
    sites = [site_of(kind()) for kind in kinds]

    assert sites[0] != sites[1]
    groups = [group_of("work", one) for one in sites]
    assert groups[0].group == groups[1].group


def test_an_exception_without_frames_or_with_strange_ones_has_a_group() -> None:
    class Odd(Exception):
        __module__ = 7  # type: ignore[assignment]

    Odd.__qualname__ = "x\x00" * 1000
    scope: dict[str, Any] = {"__name__": 7}
    exec("def f():\n    raise ValueError", scope)  # noqa: S102

    assert site_of(ValueError()) == Site("ValueError", ())
    assert len(site_of(Odd()).kind) <= 120
    assert site(scope["f"]).frames[-1] == "?:f"


def test_of_a_group_with_one_error_that_error_counts() -> None:
    told = failure(ExceptionGroup("some", [ValueError("x")]))

    assert told.site == Site("ValueError")
    assert json.loads(json.dumps(told.site)) == ["ValueError", []]
