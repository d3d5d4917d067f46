"""The program that was started (``__main__``), for a child process that needs something of it.

A child is a program of its own. The server's is run in it the first time that a function or a
class of it is asked for, as `multiprocessing` does: under the name ``__mp_main__``, which leaves
out what stands below ``if __name__ == "__main__":``. What was typed at a prompt cannot be run.
"""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, NamedTuple

from fastapi_taskflow.rules.tracebacks import error_text
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.plain import name_of

__all__ = ["NAMES", "Program", "check_not_loading", "is_child", "own", "shared", "stand_in"]

NAMES = ("__main__", "__mp_main__")
"""A program's module, for who was started with it and for its children."""


class Program(NamedTuple):
    """How to run it again: a module's name (``python -m``), else a file."""

    module: str | None
    path: str
    argv: list[str]


class _State:
    """Of a child."""

    child = False
    loading = False


_state = _State()
# Protects the run of a program: several threads of a function may ask for it.
_lock = RLock()


def own() -> Program | None:
    """This process's program; None: no other process can run it."""
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None)
    path = getattr(main, "__file__", None)
    if isinstance(name, str) and name not in NAMES:
        return Program(name, str(path), list(sys.argv))
    if isinstance(path, str) and Path(path).is_file():
        return Program(None, path, list(sys.argv))
    return None


def shared() -> tuple[Any, ...] | None:
    """As `own`, for a child that is started now, whose pickles are read here."""
    sys.modules.setdefault("__mp_main__", sys.modules["__main__"])
    program = own()
    return None if program is None else tuple(program)


def is_child() -> bool:
    """This process runs functions for another one."""
    return _state.child


def stand_in(given: tuple[Any, ...] | None) -> None:
    """In a child: what is asked of ``__main__`` is found in the parent's program."""
    _state.child = True
    program = None if given is None else Program(*given)
    here: Any = sys.modules["__main__"]

    def find(name: str) -> Any:
        if program is None or name.startswith("__"):
            raise AttributeError(f"module '__main__' has no attribute {name!r}")
        return getattr(_loaded(program, here), name)

    here.__getattr__ = find
    sys.modules["__mp_main__"] = here


def _loaded(program: Program, before: ModuleType) -> ModuleType:
    with _lock:
        found = sys.modules["__main__"]
        if found is not before:
            return found
        module = ModuleType("__mp_main__")
        sys.modules.update(dict.fromkeys(NAMES, module))
        _state.loading = True
        try:
            _run(program, module)
        except BaseException as exc:
            sys.modules.update(dict.fromkeys(NAMES, before))
            # What ends the function's run passes.
            if isinstance(exc, Exception) or type(exc) is SystemExit:
                raise _unguarded(program, exc) from exc
            raise
        finally:
            _state.loading = False
        return module


def _run(program: Program, module: ModuleType) -> None:
    sys.argv = list(program.argv)
    if program.module is None:
        module.__file__ = program.path
        with io.open_code(program.path) as file:
            code: Any = compile(file.read(), program.path, "exec")
    else:
        spec: Any = importlib.util.find_spec(program.module)
        module.__spec__, module.__package__, module.__file__ = spec, spec.parent, spec.origin
        code = spec.loader.get_code(program.module)
    exec(code, module.__dict__)  # noqa: S102  (the app's own program)


def _unguarded(program: Program, exc: BaseException) -> ConfigurationError:
    return ConfigurationError(
        f"A child process needs a function or class of {program.path}, ran it for that, and it "
        f"ended with {name_of(type(exc))}: {error_text(exc)}. What the program does when it is "
        'started belongs below `if __name__ == "__main__":`; or move the function into a module.'
    )


def check_not_loading() -> None:
    """Refuse to start what a program without a guard would start in each of its children.

    Raises:
        ConfigurationError: this is a child that runs its parent's program.
    """
    if _state.loading:
        raise ConfigurationError(
            "no engine is started here: this is a child process that runs the program to find a "
            'function in it. Start the app below `if __name__ == "__main__":`'
        )
