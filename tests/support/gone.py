"""Whether a process is no more."""

import os
from pathlib import Path

__all__ = ["is_gone"]


def is_gone(pid: int) -> bool:
    """It does not run; nobody may have asked for its exit code yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
