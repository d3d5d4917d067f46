"""The executor that the guide shows, as a reader has it."""

import importlib
import sys
import tempfile
from pathlib import Path

from fastapi_taskflow.executors import Executor
from tests.support.pages import DOCS, blocks

__all__ = ["child_process"]


def child_process(slots: int) -> Executor:
    """One of the guide's `ChildProcess`, which its children import as well."""
    if "childprocess" not in sys.modules:
        # It stays until the interpreter ends: children may be started until then.
        folder = Path(tempfile.mkdtemp(prefix="childprocess-"))
        for block in blocks(DOCS / "guides" / "executors.md"):
            if block.file == "childprocess.py":
                (folder / block.file).write_text(block.source)
        sys.path.append(str(folder))
    module = importlib.import_module("childprocess")
    # What its children run here takes seconds to import.
    preload = ["fastapi_taskflow.executors", "fastapi_taskflow.testing.conformance.work"]
    module.processes.set_forkserver_preload(preload)
    made: Executor = module.ChildProcess(slots)
    return made
