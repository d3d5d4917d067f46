"""How much memory processes hold, and the limit that a child puts on itself.

Linux tells it in files; other systems by the command ``ps``, which takes some milliseconds.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import NamedTuple

from fastapi_taskflow.executors.base import Told
from fastapi_taskflow.rules.ends import Raised, failure
from fastapi_taskflow.words.plain import is_a
from fastapi_taskflow.words.sizes import size_text

__all__ = ["Room", "explained", "limited", "over", "resident", "too_much"]

_IN_FILES = sys.platform == "linux"
_PAGE_BYTES = resource.getpagesize()


class _Held(NamedTuple):
    """Bytes of one process: resident ones, and those that it may write, resident or not."""

    resident: int
    writable: int


def _held(pid: int | str = "self") -> _Held:
    """Of one process; zeros if it is gone, or the system does not tell in files."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:  # noqa: PTH123  (it is quick)
            fields = file.read().split()
    except OSError:
        return _Held(0, 0)
    return _Held(int(fields[1]) * _PAGE_BYTES, int(fields[5]) * _PAGE_BYTES)


def resident(pid: int) -> int:
    """Bytes that one process holds; 0 if it is gone."""
    return _held(pid).resident if _IN_FILES else _sizes_by_ps({pid: 0}).get(pid, 0)


def over(limits: Mapping[int, int]) -> dict[int, int]:
    """Resident bytes of the process groups that have more than their limit.

    Args:
        limits: In bytes, by number of the group.
    """
    sizes = _sizes_by_files(limits) if _IN_FILES else _sizes_by_ps(limits)
    return {group: size for group, size in sizes.items() if size > limits[group]}


def _sizes_by_files(limits: Mapping[int, int]) -> dict[int, int]:
    members: dict[int, list[str]] = {group: [] for group in limits}
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208  (it is quick)
        with suppress(ProcessLookupError):
            group = os.getpgid(int(name))
            if group in members:
                members[group].append(name)
    return {group: _size(pids, limits[group]) for group, pids in members.items()}


def _size(pids: list[str], limit: int) -> int:
    size = sum(_held(pid).resident for pid in pids)
    if len(pids) == 1 or size <= limit:
        return size
    # Forked processes share most of what they have: it counts once. To find out takes longer.
    return sum(map(_own_share, pids))


def _own_share(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:  # noqa: PTH123
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except OSError:
        return _held(pid).resident


def _sizes_by_ps(limits: Mapping[int, int]) -> dict[int, int]:
    asked = ["ps", "-axo", "pgid=,rss="]
    try:
        lines = subprocess.run(asked, capture_output=True, check=True).stdout.splitlines()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return {}
    sizes = dict.fromkeys(limits, 0)
    for group, kilobytes in (map(int, line.split()) for line in lines):
        if group in sizes:
            sizes[group] += kilobytes * 1024
    return sizes


@contextmanager
def limited(limit: int) -> Iterator[None]:
    """Refuse this process what goes beyond a limit in bytes; only Linux can.

    Who allocates it gets a `MemoryError`, before the limit is reached.

    Raises:
        MemoryError: there is no room at all.
    """
    if not _IN_FILES:
        yield
        return
    now = _held()
    if now.resident >= limit:
        raise too_much(now.resident, limit)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    # What is writable and was never written is no use of memory. It has its place already.
    allowed = now.writable + limit - now.resident
    bounds = [bound for bound in (allowed, soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


class Room:
    """What earlier calls have left of a child's memory for a call with a limit."""

    def __init__(self) -> None:
        # Resident bytes when the first function was there; 0 where that is not told.
        self._first: int | None = None

    def is_scarce(self, limit: int | None) -> bool:
        """What others left would count: more than half of what a new child has for the call."""
        if self._first is None:
            self._first = _held().resident
            return False
        if limit is None:
            return False
        return _held().resident - self._first > max(0, limit - self._first) / 2


def too_much(size: int, limit: int) -> MemoryError:
    """The error of an attempt whose process had ``size`` bytes."""
    return MemoryError(
        f"Too much memory: its process held {size_text(size)}, its memory_limit is "
        f"{size_text(limit)}"
    )


def explained(told: Told, limit: int) -> Told:
    """An end; one for lack of memory says which limit there was."""
    if not isinstance(told, Raised) or not is_a(told.error, MemoryError):
        return told
    told = failure(told.error)
    return replace(told, text=f"{told.text} (its memory_limit is {size_text(limit)})")
