import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import fastapi_taskflow
from fastapi_taskflow import _version, exceptions
from fastapi_taskflow.words import errors
from fastapi_taskflow.words.retries import KeyTaken

ROOT = Path(__file__).resolve().parent.parent
MODULES = [
    module.name
    for module in pkgutil.walk_packages(fastapi_taskflow.__path__, "fastapi_taskflow.")
    if not module.name.endswith("__main__")
]


def test_the_installed_version_is_that_of_the_source():
    assert version("fastapi-taskflow") == _version.__version__


def test_type_checkers_are_told_that_the_package_is_typed():
    assert (Path(fastapi_taskflow.__file__).parent / "py.typed").exists()


def test_errors_have_their_public_name_too():
    named = {name: getattr(errors, name) for name in errors.__all__} | {"KeyTaken": KeyTaken}

    assert {name: getattr(exceptions, name) for name in exceptions.__all__} == named


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-floor.txt"])
def test_constraints_hold_names_and_versions_only(name):
    lines = [line for line in (ROOT / name).read_text().splitlines() if line[:1] != "#"]

    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", line)] == []
    assert len(lines) > 20


def test_the_extra_all_has_what_an_app_may_need():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    everything = set(extras.pop("all"))

    assert everything == set().union(*extras.values()) - set(extras["conformance"])


def test_the_proofs_of_a_backend_name_the_extra_that_they_need():
    script = "import sys; sys.modules['hypothesis'] = None; import fastapi_taskflow.testing as t;"
    ended = subprocess.run(
        [sys.executable, "-c", script + "import fastapi_taskflow.testing.conformance"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "pip install 'fastapi-taskflow[conformance]'" in ended.stderr


def test_ci_runs_the_test_command_of_the_readme():
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()
    assert re.search(r"^make test\b", (ROOT / "README.md").read_text(), re.MULTILINE)
