"""A class whose module takes long to import, but in a child."""

import os
import time
from pathlib import Path

from fastapi_taskflow.rules import programs

__all__ = ["SlowError", "SlowValue", "place"]


class SlowValue:
    pass


class SlowError(Exception):
    pass


def place() -> Path:
    return Path(os.environ["TASKFLOW_TEST_PLACE"])


if not programs.is_child():
    (place() / "imports").touch()
    until = time.monotonic() + 30
    while not (place() / "go on").exists() and time.monotonic() < until:
        time.sleep(0.01)
    (place() / "let go").write_text(str((place() / "go on").exists()))
