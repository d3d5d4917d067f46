"""Events in a file that rotates itself, or that someone else rotates.

Several processes may write to one file (server workers do): every batch is one append,
the file is opened again when its name has come to mean another one, and rotation happens
under a lock on the file that it moves away.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from fastapi_taskflow.loggers.writer import LineObserver
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError

try:
    import fcntl
except ImportError:  # Windows: no lock, so let one process write to one file there
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileLogger"]

_MODES = ("rotate", "watched")
# What a file system can count.
_LARGEST_FILE = 2**63 - 1
# Appended at once; a batch of long lines is cut into several.
_CHUNK_BYTES = 64 * 1024
# What a platform lacks is 0: no effect. Not a link that somebody planted (O_NOFOLLOW),
# not a pipe without a reader that would never open (O_NONBLOCK).
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
for _name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):
    _FLAGS |= getattr(os, _name, 0)


class FileLogger(LineObserver):
    """Appends one line per event to a file, which its first event creates if it is missing.

    Args:
        path: The file; its folder must exist. A symbolic link is refused.
        max_bytes: Size beyond which ``"rotate"`` starts a new file; 0: never.
        backup_count: Old files kept, as ``path.1`` (newest) to ``path.N``; 0: the file is
            never rotated.
        mode: ``"rotate"``, or ``"watched"`` for files that logrotate or the like moves away.
        log_lifecycle: Write a line for every change of a task's state as well.
        min_level: Log events below it are left out.
        file_mode: Rights of a file that is made, whatever the umask: by default its owner only
            may read it. Log shippers often need ``0o640``. An existing file keeps its own.

    Raises:
        ConfigurationError: a size, count or mode cannot work; by `startup`: the file cannot be
            opened.
    """

    def __init__(  # noqa: PLR0913  (settings)
        self,
        path: str | os.PathLike[str],
        max_bytes: int = 10_485_760,
        backup_count: int = 5,
        mode: Literal["rotate", "watched"] = "rotate",
        log_lifecycle: bool = False,  # noqa: FBT002
        min_level: str = "info",
        *,
        file_mode: int = 0o600,
    ) -> None:
        super().__init__(log_lifecycle=log_lifecycle, min_level=min_level)
        if type(file_mode) is not int or file_mode & ~0o777 or not file_mode & stat.S_IWUSR:
            raise limits.wrong(
                "file_mode", "rights with which its owner can write, such as 0o640", file_mode
            )
        if not isinstance(path, str | os.PathLike) or "\0" in os.fspath(path):
            raise limits.wrong("path", "the path of a file", path)
        limits.one_of("mode", mode, _MODES)
        max_bytes = limits.whole("max_bytes", max_bytes, least=0, most=_LARGEST_FILE)
        backup_count = limits.whole("backup_count", backup_count, least=0)
        # Absolute from the start: a program that changes its directory keeps its log.
        self.path = Path(path).absolute()
        rotates = mode == "rotate" and max_bytes > 0 and backup_count > 0
        self._file = _AppendFile(self.path, max_bytes if rotates else 0, backup_count, file_mode)

    async def startup(self) -> None:
        try:
            await self._in_thread(self._file.open)
        except OSError as exc:
            raise ConfigurationError(f"Log file {str(self.path)!r}: {exc}") from exc

    def _write(self, lines: Sequence[str]) -> None:
        self._file.open()
        for chunk in self._file.chunks(lines):
            self._file.append(chunk)

    def _release(self) -> None:
        self._file.close()


class _AppendFile:
    """The file itself; used by one thread at a time."""

    def __init__(self, path: Path, max_bytes: int, backup_count: int, file_mode: int) -> None:
        self._path = path
        self._file_mode = file_mode
        self._max_bytes = max_bytes
        self._backup_count = backup_count
        self._fd: int | None = None
        # A full disk took half a line: what is written next begins on one of its own.
        self._torn = False

    def chunks(self, lines: Sequence[str]) -> Iterator[bytes]:
        """Whole lines as bytes, in pieces small enough to be appended at once."""
        # An eighth: rotation comes a little early rather than a whole batch too late.
        limit = min(_CHUNK_BYTES, self._max_bytes // 8) if self._max_bytes else _CHUNK_BYTES
        chunk = bytearray()
        for line in lines:
            data = line.encode("utf-8", "backslashreplace") + b"\n"
            if chunk and len(chunk) + len(data) > limit:
                yield bytes(chunk)
                chunk.clear()
            chunk += data
        if chunk:
            yield bytes(chunk)

    def append(self, data: bytes) -> None:
        """Write after whatever any process wrote before.

        Raises:
            OSError: the file cannot be opened or written.
        """
        fd = self.open()
        size = os.fstat(fd).st_size
        if self._max_bytes and size and size + len(data) > self._max_bytes:
            fd = self._rotate(fd)
        if self._torn:
            data = b"\n" + data
        while data:
            written = os.write(fd, data)
            self._torn = data[written - 1 :][:1] != b"\n"
            data = data[written:]

    def open(self) -> int:
        """A descriptor of the file that now has the name."""
        if self._fd is not None:
            if self._is_current(self._fd):
                return self._fd
            self.close()
        fd = self._create()
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "not a regular file", str(self._path))
        self._fd = fd
        return fd

    def _create(self) -> int:
        try:
            fd = os.open(self._path, _FLAGS | os.O_EXCL, self._file_mode)
        except FileExistsError:
            return os.open(self._path, _FLAGS, self._file_mode)
        if hasattr(os, "fchmod"):
            os.fchmod(fd, self._file_mode)  # what the umask took
        return fd

    def close(self) -> None:
        self._torn = False
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def _is_current(self, fd: int) -> bool:
        try:
            named = self._path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(fd))

    def _rotate(self, fd: int) -> int:
        # The lock belongs to the file that is moved. Whoever comes while it is held writes
        # to that file once more; whoever gets it late finds that the name means another
        # file by now, and moves nothing.
        if fcntl is not None:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return fd
        try:
            if self._is_current(fd):
                self._shift()
        finally:
            self.close()  # and with it the lock
        return self.open()

    def _shift(self) -> None:
        for number in range(self._backup_count - 1, -1, -1):
            older = self._numbered(number)
            if os.path.lexists(older):
                older.replace(self._numbered(number + 1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
