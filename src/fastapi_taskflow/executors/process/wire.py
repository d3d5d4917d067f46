"""What goes between a child and its parent: frames on a socket that only they have.

Pickle is for this socket alone: both ends run the app's own code, and nothing of it is stored.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from contextvars import Context
from threading import Lock
from typing import Any

from fastapi_taskflow.executors.base import Call
from fastapi_taskflow.rules import importable
from fastapi_taskflow.rules.context import LINE_LIMIT_BYTES
from fastapi_taskflow.rules.ends import Raised, Returned
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.texts import as_text, fit

__all__ = [
    "BEGUN",
    "CALL",
    "LINE",
    "RAISED",
    "READY",
    "RETURNED",
    "STOPPED",
    "Channel",
    "pack_call",
    "pack_error",
    "pack_line",
    "unpack_call",
    "unpack_error",
    "unpack_line",
    "unpack_value",
]

# Kinds of frames: CALL to the child, the others from it.
CALL, READY, BEGUN, LINE, RETURNED, RAISED, STOPPED = range(7)

_HEADER = struct.Struct(">BQ")
# Up to here it is cheaper to copy than to send twice.
_SMALL_BYTES = 65_536


class Channel:
    """One end. Any thread may send; one receives."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._reader = end.makefile("rb")
        # Keeps frames of several threads apart.
        self._lock = Lock()

    def send(self, kind: int, data: bytes = b"") -> None:
        """Send a frame; waits until the other end has room for it.

        Raises:
            OSError: the other end is gone.
        """
        header = _HEADER.pack(kind, len(data))
        with self._lock:
            if len(data) < _SMALL_BYTES:
                self._socket.sendall(header + data)
            else:
                self._socket.sendall(header)
                self._socket.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """Wait for the next frame: its kind, and what is in it.

        Raises:
            EOFError: the other end is gone.
        """
        try:
            kind, size = _HEADER.unpack(self._exactly(_HEADER.size))
            return kind, self._exactly(size)
        except OSError as exc:
            raise EOFError(str(exc)) from exc

    def _exactly(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) < size:
            raise EOFError("the other end is gone")
        return data

    def end(self) -> None:
        """The other end is told that nothing more comes."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


def pack_call(call: Call) -> bytes:
    """A call, with its function by name.

    Raises:
        TaskArgumentError: arguments that cannot be sent to a process.
        ConfigurationError: the function's name does not lead to it.
    """
    found = importable.reference_of(call.func)
    fields = call._replace(func=None, context=None)._asdict()  # type: ignore[arg-type]
    fields["tags"] = dict(call.tags)
    try:
        return pickle.dumps((found, fields), pickle.HIGHEST_PROTOCOL)
    # Classes of the user's own say how they are pickled, and may raise anything.
    except Exception as exc:
        raise TaskArgumentError(
            f"{call.func_name}: an argument cannot be sent to a process: {exc}. Give it plain "
            "values, or what it needs to find the object there; or use executor='thread'."
        ) from exc


def unpack_call(data: bytes) -> Call:
    """The call of `pack_call`; imports its function."""
    found, fields = pickle.loads(data)  # noqa: S301  (from the parent, see the module)
    return Call(**{**fields, "func": importable.resolved(found), "context": Context()})


def pack_line(message: str, level: str, extra: Mapping[str, Any]) -> bytes:
    """A line of the log. Values that cannot be sent become text, large ones are left out."""
    values = {name: _sendable(value) for name, value in extra.items()}
    return pickle.dumps((fit(message, LINE_LIMIT_BYTES), level, values))


def _sendable(value: Any) -> bytes:
    try:
        sent = pickle.dumps(value)
        pickle.loads(sent)  # noqa: S301  (just written)
    # As in `pack_call`.
    except Exception:
        sent = pickle.dumps(_text_of(value))
    return sent if len(sent) <= LINE_LIMIT_BYTES else pickle.dumps("<too long>")


def _text_of(value: object) -> str:
    try:
        return fit(as_text(value), LINE_LIMIT_BYTES)
    # As in `pack_call`.
    except Exception:
        return f"<{type(value).__name__}>"


def unpack_line(data: bytes) -> tuple[str, str, dict[str, Any]]:
    """The line of `pack_line`."""
    message, level, values = pickle.loads(data)  # noqa: S301  (from our own child)
    return message, level, {name: _value_of(sent) for name, sent in values.items()}


def _value_of(sent: bytes) -> Any:
    try:
        return pickle.loads(sent)  # noqa: S301  (from our own child)
    # A class that is known in the child only.
    except Exception as exc:
        return f"<not readable here: {type(exc).__name__}>"


def unpack_value(data: bytes) -> Returned:
    """What a function returned; None in place of what cannot be made here."""
    try:
        return Returned(pickle.loads(data))  # noqa: S301  (from our own child)
    # As in `_value_of`: the work is done, whatever becomes of its value.
    except Exception:
        return Returned()


def pack_error(told: Raised) -> bytes:
    """An exception with its texts; itself if it can be sent, else its class and state."""
    error = told.error
    for sent in (
        lambda: error,
        # Many classes cannot be made again from their `args`.
        lambda: _Parts(type(error), error.args, dict(error.__dict__)),
        lambda: _Parts(type(error), (), {}),
    ):
        try:
            data = pickle.dumps(sent())
            pickle.loads(data)  # noqa: S301  (just written)
        # As in `pack_call`.
        except BaseException:  # noqa: S112
            continue
        return pickle.dumps((data, told.text, told.stacktrace))
    return pickle.dumps((None, told.text, told.stacktrace))


def unpack_error(data: bytes) -> Raised:
    """The exception of `pack_error`; one of another class in place of what cannot be made here."""
    sent, text, trace = pickle.loads(data)  # noqa: S301  (from our own child)
    error: BaseException | None = None
    if sent is not None:
        with suppress(BaseException):  # as in `_value_of`
            found = pickle.loads(sent)  # noqa: S301
            error = found.error() if isinstance(found, _Parts) else found
    if not isinstance(error, BaseException):
        error = RuntimeError(text)
    return Raised(error, trace, text)


class _Parts:
    """An exception that does not come back from its pickle by itself."""

    def __init__(
        self, kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]
    ) -> None:
        self.kind, self.args, self.state = kind, args, state

    def error(self) -> BaseException:
        error = BaseException.__new__(self.kind)
        error.args = self.args
        error.__dict__.update(self.state)
        return error
