import sys

import pytest

from fastapi_taskflow.cli.discovery import load_app
from fastapi_taskflow.exceptions import ConfigurationError

SOURCE = "from fastapi import FastAPI\n{name} = FastAPI()\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder, path, name="app"):
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(SOURCE.format(name=name))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("main.py", "main:app"),
        ("app.py", "app:app"),
        ("api.py", "api:app"),
        ("app/main.py", "main:app"),
    ],
)
def test_the_usual_files_are_found(folder, path, found):
    write(folder, path)

    assert load_app(None)[0] == found


def test_a_file_in_a_package_is_imported_as_its_part(folder):
    write(folder, "app/main.py", "api")
    (folder / "app/__init__.py").touch()

    assert load_app(None)[0] == "app.main:api"


def test_an_app_of_any_name_is_found(folder):
    write(folder, "shop.py", "storefront")

    assert load_app("shop.py")[0] == "shop:storefront"


def test_the_entry_point_of_the_project_comes_first(folder):
    write(folder, "main.py")
    write(folder, "backend/web.py", "site")
    (folder / "pyproject.toml").write_text('[tool.fastapi]\nentrypoint = "backend.web:site"\n')

    assert load_app(None)[0] == "backend.web:site"


@pytest.mark.parametrize("target", ["shop:create_app", "shop:create_app()", "shop:Made.app"])
def test_an_app_that_a_function_makes_or_a_class_holds_is_found(folder, target):
    (folder / "shop.py").write_text(
        "from fastapi import FastAPI\n"
        "def create_app(title='made'): return FastAPI(title=title)\n"
        "class Made: app = create_app()\n"
    )

    assert load_app(target)[1].title == "made"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("main:nothing", "is nothing, not a FastAPI app"),
        ("main:FastAPI", "is a type, not a FastAPI app"),
        ("absent:app", "There is no module 'absent'"),
        ("absent.py", "is not an app"),
        (".", "is not an app"),
        (":app", "is not an app"),
        ("main:", "is not an app"),
        ("..main:app", "is not an app"),
        ("main.inner:app", "There is no module 'main.inner'"),
        ("main:app:app", "is not an app"),
        ("main:app\0", "is not an app"),
        ("x" * 5000, "is not an app"),
        ("main:make_nothing", "makes nothing, not a FastAPI app"),
        ("main:needs_more", "missing a required argument: 'more'"),
    ],
)
def test_what_is_no_app_is_refused(folder, target, words):
    write(folder, "main.py")
    with (folder / "main.py").open("a") as file:
        file.write("def make_nothing(): ...\ndef needs_more(more): ...\n")

    with pytest.raises(ConfigurationError, match=words):
        load_app(target)
