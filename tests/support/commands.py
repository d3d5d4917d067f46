"""The command line, each command in a process of its own that has imported it already.

A new interpreter takes a second to import what the command needs, and tests start hundreds. So
one process a test run imports it, runs none of it, and forks for each command: what is forked
has its own arguments, folder, environment and files, and ends as any interpreter does.

This module is also the program that forks. It is one thread, as is what forks from it.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

__all__ = ["COMMAND", "run_command"]

COMMAND = Path(sys.executable).with_name("fastapi-taskflow")
# Standard input, output and errors, and where the end is told.
_FILES = 4
_LONGEST_BYTES = 1 << 20
_STATUS = struct.Struct("i")
_PATIENCE_SECONDS = 60.0


def run_command(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``fastapi-taskflow`` in a folder; its exit code, and what it wrote.

    Raises:
        TimeoutError: it has not ended within a minute.
    """
    asked = json.dumps([[*arguments], str(folder), {**environment}]).encode()
    told, tells = socket.socketpair()
    with (
        told,
        tells,
        Path(os.devnull).open() as nothing,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        files = [nothing.fileno(), out.fileno(), err.fileno(), tells.fileno()]
        socket.send_fds(_forks(), [asked], files)
        tells.close()
        told.settimeout(_PATIENCE_SECONDS)
        (status,) = _STATUS.unpack(told.recv(_STATUS.size))
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, status, out.read(), err.read())


@cache
def _forks() -> socket.socket:
    """To the process that forks; it ends when this one does."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [sys.executable, __file__, str(its.fileno())],
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    # Held as long as the socket is: an object that lets go of a process warns of it.
    atexit.register(_end, ours, process)
    return ours


def _end(forks: socket.socket, process: subprocess.Popen[bytes]) -> None:
    forks.close()
    process.wait()


def _next(forks: socket.socket) -> list[str] | None:
    """In a new process, which is set up: its arguments. In the first one at its end: None."""
    while True:
        asked, files, _, _ = socket.recv_fds(forks, _LONGEST_BYTES, _FILES)
        if not asked:
            return None
        # Another one waits for the command, to tell its end. Nobody waits for that one.
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            forks.close()
            command = os.fork()
            if command == 0:
                return _set_up(asked, files)
            _, status = os.waitpid(command, 0)
            os.write(files[-1], _STATUS.pack(os.waitstatus_to_exitcode(status)))
            os._exit(0)
        for file in files:
            os.close(file)


def _set_up(asked: bytes, files: list[int]) -> list[str]:
    arguments, folder, environment = json.loads(asked)
    for number, file in enumerate(files[:-1]):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    return [str(COMMAND), *arguments]


if __name__ == "__main__":
    from fastapi_taskflow.cli import main

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.path[0] = str(COMMAND.parent)
    given = _next(socket.socket(fileno=int(sys.argv[1])))
    if given is not None:
        sys.argv = given
        main()
