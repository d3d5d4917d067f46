"""Functions for child processes to run that take memory."""

import mmap
import subprocess
import sys
from pathlib import Path

from tests.support import childwork

__all__ = ["holds", "holds_in_others", "keeps", "maps"]

_kept: list[bytes] = []


def holds(place: str, name: str, megabytes: int) -> None:
    """Take memory little by little, use it, and wait."""
    held = [bytes(100_000) for _ in range(10 * megabytes)]
    childwork.meets(place, name)
    assert len(held) == 10 * megabytes


def holds_in_others(place: str, name: str, megabytes: int) -> None:
    """Processes of its own hold the memory, each of them a part."""
    source = f"import time; held = b'x' * {megabytes // 4}_000_000; time.sleep(600)"
    started = [subprocess.Popen([sys.executable, "-c", source]) for _ in range(4)]
    (Path(place) / "started").write_text(" ".join(str(process.pid) for process in started))
    childwork.meets(place, name)


def maps(place: str, name: str, megabytes: int) -> None:
    """Take memory in a way that no limit of the process's own refuses."""
    shared = mmap.mmap(-1, megabytes * 1_000_000)
    for _ in range(megabytes):
        shared.write(b"x" * 1_000_000)
    childwork.meets(place, name)


def keeps(megabytes: int) -> None:
    """Leave something behind."""
    _kept.append(b"x" * megabytes * 1_000_000)
