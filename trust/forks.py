"""Children of a harness that share one store, to be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi_taskflow.backends.base import Query
from fastapi_taskflow.words.states import LIVE
from trust.stores import looking

__all__ = ["fork", "is_over", "kill", "still"]


def fork(main: Callable[[], Any]) -> int:
    """A child that has imported all already. Nothing here has threads or an open store."""
    pid = os.fork()
    if pid:
        return pid
    try:
        asyncio.run(main())
        os._exit(0)
    except BaseException as exc:
        print(f"{os.getpid()}: {exc!r}", file=sys.stderr)
        os._exit(1)


def still(pid: int) -> int:
    """The process, or 0 if it has ended."""
    with suppress(ChildProcessError):
        return 0 if os.waitpid(pid, os.WNOHANG)[0] else pid
    return 0


def kill(pid: int) -> None:
    """End it, whatever it does."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


async def is_over(folder: Path) -> bool:
    """No task is left in the store of this folder."""
    async with looking(str(folder / "tasks.db")) as backend:
        return not await backend.count(Query(statuses=frozenset(LIVE)), cap=1)
