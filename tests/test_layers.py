"""The shape of the source: what the import contracts and linters cannot see."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "fastapi_taskflow"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODULES = sorted(SOURCE.rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> list[ast.AST]:
    """All nodes of a module."""
    return list(ast.walk(ast.parse(path.read_text())))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Names and lengths in lines, without signature and docstring: neither is code to follow."""
    for node in parsed(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body:
                yield node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1


def imported(path: Path) -> Iterator[str]:
    for node in parsed(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def known_modules(path: Path, names: set[str]) -> set[str]:
    """The modules of ours that one names in an import: for type checkers and in functions too."""
    found: set[str] = set()
    package = "fastapi_taskflow"
    for node in parsed(path):
        if isinstance(node, ast.Import):
            asked = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # A module of a package, or else a name in it.
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            asked = [each if each[len(package) + 1 :] in names else node.module for each in inner]
        else:
            continue
        found |= {each.partition(".")[2] for each in asked if each.partition(".")[0] == package}
    return found & names


def test_no_modules_import_each_other_in_a_circle():
    names = set(map(dotted, MODULES))
    graph = {dotted(path): known_modules(path, names) - {dotted(path)} for path in MODULES}

    # Raises CycleError, which has the circle.
    TopologicalSorter(graph).prepare()


def test_every_module_stands_on_a_floor():
    contracts = {each["id"]: each for each in PYPROJECT["tool"]["importlinter"]["contracts"]}
    floors = set(re.findall(r"[\w.]+", " ".join(contracts["floors"]["layers"])))
    # Packages that only gather what their modules hold.
    gathering = {"", "backends", "executors", "loggers"}

    homeless = [
        name
        for name in map(dotted, MODULES)
        if name not in gathering
        and not any(name == floor or name.startswith(f"{floor}.") for floor in floors)
    ]

    assert homeless == []


def test_every_third_party_import_is_a_declared_dependency():
    project = PYPROJECT["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    declared = {
        re.split(r"[^\w-]", each)[0].replace("-", "_")
        for each in [*project["dependencies"], *extras]
    }
    # pydantic_core is the part of pydantic that has its serialisation.
    known = declared | set(sys.stdlib_module_names) | {"fastapi_taskflow", "pydantic_core"}
    # Its distributions have names of their own.
    known |= {"opentelemetry"} if "opentelemetry_api" in declared else set()
    # For tests of users' own backends; whoever runs them has it.
    shipped_tests = SOURCE / "testing"
    # Not for users yet; what it needs is in the group for tests.
    unexported = SOURCE / "backends" / "sql"

    strangers = {
        (dotted(path), name)
        for path in MODULES
        for name in imported(path)
        if name.partition(".")[0] not in known
        and shipped_tests not in path.parents
        and not (unexported in path.parents and name.startswith("sqlalchemy"))
    }

    assert strangers == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: dotted(path) or "__init__")
def test_a_module_can_be_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 300

    long = {name: lines for name, lines in functions(path) if lines > 40}
    assert long == {}


def test_most_functions_are_seen_at_one_glance():
    lengths = [lines for path in MODULES for _, lines in functions(path)]

    assert median(lengths) < 7


def test_every_module_can_be_imported():
    """One that cannot takes the whole command line with it, and no type checker sees that."""
    names = [f"fastapi_taskflow.{name}" for name in map(dotted, MODULES) if name]
    # To import a program is to run it.
    names = [name for name in names if not name.endswith("__main__")]
    program = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"

    told = [sys.executable, "-c", program]
    done = subprocess.run(told, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
