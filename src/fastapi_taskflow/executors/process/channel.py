"""Frames on two pipes: a kind, and bytes of any number.

Pipes, not a socket: to read from a local socket wakes whoever reads at its other end, for nothing.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Container
from contextlib import suppress
from threading import Lock

__all__ = ["SHORT_BYTES", "Aside", "Channel"]

_HEADER = struct.Struct(">BQ")
_HEADER_BYTES = _HEADER.size
# Up to here it is cheaper to copy than to send twice, and an empty pipe has room for it.
SHORT_BYTES = 16_000
_CHUNK_BYTES = 1_048_576


class Aside(Exception):
    """The next frame is not one that is taken without waiting; `Channel.receive` gives it."""


def _widen(pipe: int) -> None:
    """Let more be under way, where that can be: each time it is full, both ends wait in turn."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # the user's share is used up
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _CHUNK_BYTES)


class Channel:
    """One end. Any thread may send; one at a time receives."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        _widen(writes)
        # Keeps frames of several threads apart, and protects _open.
        self._lock = Lock()
        self._open = True
        # What has come and was not given yet.
        self._come = b""

    def fileno(self) -> int:
        """For an event loop, which tells when something has come."""
        return self._reads

    def send(self, kind: int, data: bytes = b"") -> None:
        """Send a frame; waits until the other end has room for it.

        Raises:
            OSError: the other end is gone.
        """
        header = _HEADER.pack(kind, len(data))
        with self._lock:
            if not self._open:
                raise BrokenPipeError
            if len(data) < SHORT_BYTES:
                self._write(header + data)
            else:
                self._write(header)
                self._write(data)

    def _write(self, data: bytes) -> None:
        sent = os.write(self._writes, data)
        if sent < len(data):
            left = memoryview(data)
            while sent < len(left):
                sent += os.write(self._writes, left[sent:])

    def receive(self) -> tuple[int, bytes]:
        """Wait for the next frame: its kind, and what is in it.

        Raises:
            EOFError: the other end is gone.
        """
        while (frame := self._whole()) is None:
            self._more(SHORT_BYTES)
        kind, data, size = frame
        return kind, data if len(data) == size else self._long(data, size)

    def ready(self, kinds: Container[int]) -> tuple[int, bytes] | None:
        """The next frame, if all of it has come; reads once, when something has come.

        Raises:
            Aside: it is long, or of none of these kinds.
            EOFError: the other end is gone.
        """
        self._more(SHORT_BYTES)
        if len(self._come) < _HEADER_BYTES:
            return None
        kind, size = _HEADER.unpack_from(self._come)
        # With its header it may be more than is read at once.
        if kind not in kinds or _HEADER_BYTES + size > SHORT_BYTES:
            raise Aside
        frame = self._whole()
        return None if frame is None else frame[:2]

    def _whole(self) -> tuple[int, bytes, int] | None:
        """The next frame and its size, of a long one what has come of it; None: it is cut."""
        come = self._come
        if len(come) < _HEADER_BYTES:
            return None
        kind, size = _HEADER.unpack_from(come)
        end = _HEADER_BYTES + size
        if len(come) < min(end, SHORT_BYTES):
            return None
        self._come = come[end:]
        return kind, come[_HEADER_BYTES:end], size

    def _long(self, data: bytes, size: int) -> bytes:
        parts, left = [data], size - len(data)
        while left:
            self._more(min(left, _CHUNK_BYTES))
            parts.append(self._come)
            left -= len(self._come)
            self._come = b""
        return b"".join(parts)

    def _more(self, size: int) -> None:
        come = os.read(self._reads, size)
        if not come:
            raise EOFError("the other end is gone")
        self._come = self._come + come if self._come else come

    def end(self) -> None:
        """The other end is told that nothing more comes."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._writes)

    def close(self) -> None:
        self.end()
        os.close(self._reads)
