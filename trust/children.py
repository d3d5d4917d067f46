"""What tasks in child processes do and write, and how they end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi_taskflow import get_task_context
from trust.evidence import Evidence, read_lines

if TYPE_CHECKING:  # children need not import it
    from fastapi_taskflow import TaskManager, TaskRecord

__all__ = ["alive", "ended", "limited", "lines_of", "requeued", "work"]

_LOOK_SECONDS = 0.001


def work(place: str, seconds: float, dies: str | None = None) -> None:
    """Begin, take some time, perhaps end the process, and have an effect, as the last thing."""
    context = get_task_context()
    assert context is not None
    evidence = Evidence(Path(place) / context.task_id)
    evidence.write("begin", dies=dies)
    time.sleep(seconds)
    if dies == "exit":
        os._exit(3)
    elif dies is not None:
        os.kill(os.getpid(), getattr(signal, dies))
    evidence.write("effect")


def limited(place: str, seconds: float) -> None:
    """The same, for a task with a timeout."""
    work(place, seconds)


def requeued(place: str, seconds: float, dies: str | None = None) -> None:
    """The same, for a task that may run again; it ends its process in its first run only."""
    context = get_task_context()
    assert context is not None
    work(place, seconds, None if lines_of(place, context.task_id) else dies)


def lines_of(place: str | Path, task_id: str) -> list[dict[str, Any]]:
    """What a task has written."""
    return read_lines(Path(place) / task_id)


async def ended(manager: TaskManager, task_id: str) -> TaskRecord:
    """The record of a task when it has ended."""
    while True:
        record = await manager.get(task_id)
        if record is not None and record.end_time is not None:
            return record
        await asyncio.sleep(_LOOK_SECONDS)


def alive(pid: int) -> bool:
    """A process of this number runs; a dead child that nobody has waited for does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return fields.rpartition(")")[2].split()[0] not in "ZX"
