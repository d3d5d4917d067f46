"""Text from users' code made fit for stores, terminals and bounded columns.

PostgreSQL refuses NUL, every driver refuses lone surrogates, and a terminal obeys escape
sequences: none of them may come in through an error message or a log line.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from types import TracebackType

__all__ = [
    "ERROR_LIMIT_BYTES",
    "TRACE_LIMIT_BYTES",
    "clean",
    "clip",
    "error_text",
    "format_exception",
]

ERROR_LIMIT_BYTES = 16 * 1024
TRACE_LIMIT_BYTES = 64 * 1024

_PACKAGE = __name__.partition(".")[0]

# Terminal sequences first (CSI, OSC, then two-character ones), then what is left of the
# control characters; newline and tab stay.
_UNWANTED = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-Z\\-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def clean(text: str) -> str:
    r"""``text`` without control characters and terminal sequences; newlines become ``\n``.

    Lone surrogates become ``?``: UTF-8 has no form for them.
    """
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNWANTED.sub("", text).encode("utf-8", "replace").decode("utf-8")


def clip(text: str, limit_bytes: int) -> str:
    """``text`` if its UTF-8 form fits, else its start and end with a note between."""
    if len(text) * 4 <= limit_bytes:
        return text
    data = text.encode("utf-8", "replace")
    if len(data) <= limit_bytes:
        return text
    note = f"\n... {len(data) - limit_bytes} bytes or more left out ...\n"
    room = limit_bytes - len(note)
    # The end says more: a traceback's last lines name the error.
    head = data[: room // 4].decode("utf-8", "ignore")
    tail = data[len(data) - (room - room // 4) :].decode("utf-8", "ignore")
    return f"{head}{note}{tail}"


def error_text(error: BaseException, mask: Callable[[str], str] = str) -> str:
    """The string form of an exception, or its type's name when that is empty. Never fails.

    Args:
        mask: Takes secrets out of it.
    """
    for form in (str, repr):
        try:
            text = clip(clean(mask(form(error))), ERROR_LIMIT_BYTES)
        # The exception's own code runs here; whatever it raises is not our failure.
        except BaseException:  # noqa: S112
            continue
        return text.strip() or type(error).__name__
    return type(error).__name__


def format_exception(error: BaseException, mask: Callable[[str], str] = str) -> str:
    """The traceback as text, from the user's first frame on. Never fails.

    Args:
        mask: Takes secrets out of it.
    """
    try:
        formatted = traceback.TracebackException(
            type(error), error, _from_users_frame(error.__traceback__), compact=True
        )
        return clip(clean(mask("".join(formatted.format()))), TRACE_LIMIT_BYTES)
    # As in `error_text`.
    except BaseException:
        return f"{type(error).__name__}: {error_text(error, mask)}\n"


def _from_users_frame(trace: TracebackType | None) -> TracebackType | None:
    users = trace
    while users is not None and _is_ours(users):
        users = users.tb_next
    # All ours: a defect of the library, which the whole trace helps to find.
    return trace if users is None else users


def _is_ours(trace: TracebackType) -> bool:
    name = trace.tb_frame.f_globals.get("__name__")
    return isinstance(name, str) and name.partition(".")[0] == _PACKAGE
