"""Functions that leave something to their process, or to the server's, and some that look."""

import os
import signal
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path
from typing import Any

__all__ = ["FILES", "SETTINGS", "changes", "file_numbers", "gives_slow", "looks", "raises_slow"]


def deletes_its_folder() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)


# What is put right for the next function.
SETTINGS = {
    "folder": lambda: os.chdir("/"),
    "deleted folder": deletes_its_folder,
    "umask": lambda: os.umask(0o177),
    "SIGTERM": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "SIGINT": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    "SIGCHLD": lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    "blocked": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,)),
    "alarm": lambda: signal.setitimer(signal.ITIMER_REAL, 1000),
}
# What is not: another process takes its place.
FILES = {
    "no output": lambda: os.close(1),
    "no input": lambda: os.close(0),
    "output elsewhere": lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2),
    "closed by Python": sys.stdout.close,
    "kept in memory": lambda: setattr(sys, "stdout", StringIO()),
}


def changes(name: str) -> int:
    (SETTINGS | FILES)[name]()
    return os.getpid()


def looks() -> dict[str, Any]:
    mask = os.umask(0o022)
    os.umask(mask)
    handlers = [signal.getsignal(getattr(signal, name)) for name in ("SIGTERM", "SIGINT")]
    return {
        "pid": os.getpid(),
        "folder": str(Path.cwd()),
        "umask": mask,
        "handled": [callable(each) and each is not signal.default_int_handler for each in handlers],
        "exit code": subprocess.run(["false"], check=False).returncode,
        "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "alarm": signal.getitimer(signal.ITIMER_REAL),
    }


def file_numbers() -> tuple[int, list[int]]:
    """Its process, and what files it has of the first three."""
    sys.stdout.write("it can be printed\n")
    open_ones = [number for number in range(3) if Path(f"/dev/fd/{number}").exists()]
    return os.getpid(), open_ones


def gives_slow() -> object:
    from tests.support import slowkind  # noqa: PLC0415  (for a child to have it first)

    return slowkind.SlowValue()


def raises_slow() -> None:
    from tests.support import slowkind  # noqa: PLC0415  (as above)

    raise slowkind.SlowError
