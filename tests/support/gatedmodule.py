"""A module whose import takes as long as a test wants, in a child."""

import os
import time
from pathlib import Path

from fastapi_taskflow.rules import programs

__all__ = ["pid"]


def pid() -> int:
    return os.getpid()


if programs.is_child():
    place = Path(os.environ["TASKFLOW_TEST_PLACE"])
    (place / f"imports {os.getpid()}").touch()
    while not (place / "go on").exists():
        time.sleep(0.01)
