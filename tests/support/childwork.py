"""Functions for child processes to run."""

import ctypes
import hashlib
import logging
import os
import re
import signal
import sys
import time
from pathlib import Path

from fastapi_taskflow import Cancel, get_task_context, task_log

__all__ = [
    "TwoArguments",
    "advances",
    "arrives",
    "calls_it_off",
    "counts_to_no_end",
    "dies_of",
    "dies_once",
    "fails_first",
    "forks",
    "lists_modules",
    "matches_to_no_end",
    "meets",
    "own_niceness",
    "own_pid",
    "says",
    "takes",
    "tidies",
]


class TwoArguments(Exception):
    """Cannot be made again from its `args`."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


def own_niceness() -> int:
    return os.nice(0)


def own_pid() -> int:
    return os.getpid()


def meets(place: str, name: str) -> None:
    """Say who it is, and wait until it may go on."""
    _arrive(place, name)
    while not (Path(place) / "open").exists():
        time.sleep(0.005)


def arrives(place: str, name: str) -> None:
    """As `meets`, for a task that may run in two places."""
    (Path(place) / f"{name} is.{os.getpid()}").touch()
    while not (Path(place) / "open").exists():
        time.sleep(0.005)


def says(place: str) -> None:
    task_log("by hand", level="warning")
    logging.getLogger("a.library").error("by %s", "logging")
    meets(place, "says")


def advances(place: str, steps: int) -> None:
    """Say how far it is, wait until it may go on, and say once more."""
    context = get_task_context()
    assert context is not None
    for number in range(steps):
        context.progress(number, steps, f"for {place}")
    meets(place, "advances")
    context.progress(steps, steps)


def tidies(place: str) -> None:
    try:
        meets(place, "tidies")
    finally:
        (Path(place) / "tidied").touch()


def matches_to_no_end(place: str, name: str) -> None:
    """One call in C that lets no other thread run."""
    _arrive(place, name)
    re.match(r"(a|aa)+$", "a" * 200 + "b")


def counts_to_no_end(place: str, name: str) -> None:
    """One call in C that lets other threads run."""
    _arrive(place, name)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)


def dies_of(how: str) -> None:
    task_log("is about to die")
    if how == "exit":
        os._exit(3)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        ctypes.string_at(0)


def dies_once(place: str) -> None:
    if not (Path(place) / "died").exists():
        (Path(place) / "died").touch()
        os._exit(3)
    (Path(place) / "lived").touch()


def fails_first() -> None:
    context = get_task_context()
    assert context is not None
    if context.attempt == 0:
        raise TwoArguments("no", "reason")


def calls_it_off() -> None:
    raise Cancel("not needed")


def forks() -> None:
    """How a process ends that it forks and terminates."""
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(1)
    os.kill(pid, signal.SIGTERM)
    task_log(f"{os.WTERMSIG(os.waitpid(pid, 0)[1])}")


def lists_modules(path: str) -> None:
    """What its process has imported."""
    Path(path).write_text("\n".join(sys.modules))


def takes(value: object) -> None: ...


def _arrive(place: str, name: str) -> None:
    # As a whole: who sees it, reads it.
    (Path(place) / f"{name}.new").write_text(str(os.getpid()))
    (Path(place) / f"{name}.new").rename(Path(place) / f"{name} is")
