"""Finding and loading the app, by the rules of the ``fastapi`` command."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import tomllib

# Unlike `Path.is_file` False for what is too long for a path, or has a NUL.
from os.path import isfile
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from fastapi import FastAPI

from fastapi_taskflow.app import integration
from fastapi_taskflow.manager import TaskManager
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["load_app", "managers_of"]

_PLACES = ("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py")
_NAMES = ("app", "api")
# As for uvicorn, with the parentheses that it takes for a factory in its `fastapi` command.
_TARGET = re.compile(r"(?P<module>\w+(?:\.\w+)*):(?P<name>\w+(?:\.\w+)*)(?:\(\))?")


def load_app(target: str | None) -> tuple[str, FastAPI]:
    """Import an app; how it was found, as ``module:app``, and the app.

    Args:
        target: ``module:app`` or the path of a Python file. The app may be a function without
        arguments that makes it. None: ``[tool.fastapi] entrypoint`` in pyproject.toml, else
        the first of the usual files.

    Raises:
        ConfigurationError: there is none, or its import fails.
    """
    target = target or _entrypoint() or _usual_file()
    if not isfile(target) and (match := _TARGET.fullmatch(target)):  # noqa: PTH113
        return target, _app_in(_imported(match["module"], Path.cwd()), match["name"])
    module_name, root = _module_of(Path(target))
    module = _imported(module_name, root)
    name = _app_name(module)
    return f"{module_name}:{name}", _app_in(module, name)


def managers_of(app: FastAPI, target: str) -> tuple[TaskManager, ...]:
    """The app's managers that have a backend which outlives the process.

    Raises:
        ConfigurationError: there is none.
    """
    found = [one for one in integration.managers(app) if isinstance(one, TaskManager)]
    if not found:
        raise ConfigurationError(
            f"No TaskManager belongs to {target}. Give it to the app: TaskAdmin(app, "
            "task_manager), task_manager.install(app) or task_manager.init_app(app)."
        )
    lasting = tuple(each for each in found if each.runtime.persistent)
    if not lasting:
        raise ConfigurationError(
            f"The TaskManager of {target} keeps its tasks in the memory of the app's own "
            "process, where no other process finds them. Give it a store: "
            "TaskManager(snapshot_db='tasks.db')."
        )
    return lasting


def _entrypoint() -> str | None:
    path = Path("pyproject.toml")
    if not path.is_file():
        return None
    try:
        settings: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"pyproject.toml cannot be read: {exc}.") from exc
    found = settings.get("tool", {}).get("fastapi", {}).get("entrypoint")
    if found is None or isinstance(found, str):
        return found
    raise ConfigurationError(
        f"[tool.fastapi] entrypoint in pyproject.toml takes 'module:app', got {found!r}."
    )


def _usual_file() -> str:
    for place in _PLACES:
        if Path(place).is_file():
            return place
    raise ConfigurationError(
        f"No app was found. Name it, as in 'main:app', or set [tool.fastapi] entrypoint in "
        f"pyproject.toml, or run where one of these files is: {', '.join(_PLACES)}."
    )


def _module_of(path: Path) -> tuple[str, Path]:
    """The dotted name of a file's module, and the folder to import it from."""
    if isfile(path / "__init__.py"):  # noqa: PTH113
        path /= "__init__.py"
    if path.suffix != ".py" or not isfile(path):  # noqa: PTH113
        raise ConfigurationError(
            f"{str(path)!r} is not an app. Name one as 'module:app', or give the path of a "
            "Python file."
        )
    path = path.resolve()
    parts = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder


def _imported(name: str, root: Path) -> ModuleType:
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        # An import that fails inside the app is the app's own; its trace says where.
        if exc.name is None or not (name == exc.name or name.startswith(f"{exc.name}.")):
            raise
        raise ConfigurationError(f"There is no module {name!r} in {str(root)!r}.") from exc


def _app_name(module: ModuleType) -> str:
    names = [*_NAMES, *sorted(vars(module))]
    for name in names:
        if isinstance(getattr(module, name, None), FastAPI):
            return name
    raise ConfigurationError(
        f"Module {module.__name__!r} has no FastAPI app. Name it, as in 'module:app'."
    )


def _app_in(module: ModuleType, name: str) -> FastAPI:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    made = " makes"
    if isinstance(found, FunctionType):
        found = _made_by(found, f"{module.__name__}:{name}")
    else:
        made = " is"
    if isinstance(found, FastAPI):
        return found
    what = "nothing" if found is None else f"a {type(found).__name__}"
    raise ConfigurationError(f"'{module.__name__}:{name}'{made} {what}, not a FastAPI app.")


def _made_by(factory: FunctionType, name: str) -> Any:
    try:
        inspect.signature(factory).bind()
    except TypeError as exc:
        raise ConfigurationError(
            f"{name!r} cannot make the app: it is called without arguments, and has a {exc}."
        ) from exc
    return factory()
