"""The executors that the guide shows, as a reader has them."""

import importlib
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from fastapi_taskflow.executors import Executor
from tests.support.pages import DOCS, blocks

__all__ = ["child_process", "own_threads"]


def child_process(slots: int) -> Executor:
    """One of the guide's `ChildProcess`, which its children import as well."""
    module = _shown("childprocess")
    # What its children run here takes seconds to import.
    preload = ["fastapi_taskflow.executors", "fastapi_taskflow.testing.conformance.work"]
    module.processes.set_forkserver_preload(preload)
    made: Executor = module.ChildProcess(slots)
    return made


def own_threads(slots: int) -> Executor:
    """One of the guide's `OwnThreads`."""
    made: Executor = _shown("ownthreads").OwnThreads(slots)
    return made


@cache
def _shown(name: str) -> Any:
    """A module of the guide."""
    # It stays until the interpreter ends: children may be started until then.
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    for block in blocks(DOCS / "guides" / "executors.md"):
        if block.file == f"{name}.py":
            (folder / block.file).write_text(block.source)
    sys.path.append(str(folder))
    # A test that pastes the guide has left one whose folder is gone.
    sys.modules.pop(name, None)
    return importlib.import_module(name)
