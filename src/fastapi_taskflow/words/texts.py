"""Text from users' code made fit for stores, terminals and bounded columns.

PostgreSQL refuses NUL, every driver refuses lone surrogates, a terminal obeys escape
sequences, and marks that nobody sees reorder or part a line: none of them may come in
through an error message or a log line.

Whatever its length, only what will be kept of a text is looked at, and a margin.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Any, Protocol

from fastapi_taskflow.words.plain import CONTAINERS

__all__ = [
    "ERROR_LIMIT_BYTES",
    "TRACE_LIMIT_BYTES",
    "Masking",
    "as_text",
    "clean",
    "clip",
    "escape",
    "exact",
    "fit",
    "written",
]

ERROR_LIMIT_BYTES = 16 * 1024
TRACE_LIMIT_BYTES = 64 * 1024

# More than a mask looks for at once, so what was cut in two is known by its halves.
_MARGIN = 2_048
# What `written` shows of one text, and of how many values.
_MOST_TEXT = 20_000
_MOST_VALUES = 1_000
# Python refuses to write longer ones, at the strictest that it can be told to: 640 digits.
_MOST_BITS = 2_048
_DEEPEST = 20

# Terminal sequences first (CSI, OSC, then two-character ones), then what is left of the
# control characters of ASCII; newline and tab stay.
_UNWANTED = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-Z\\-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f]"
)

# C1 controls; the two Unicode line ends; marks that reorder text; what has no width.
_HIDDEN_RANGES = (
    (0x80, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x115F, 0x1160), (0x180E, 0x180E),
    (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0xE007F),
)  # fmt: skip
_HIDDEN = re.compile(f"[{''.join(f'{chr(a)}-{chr(b)}' for a, b in _HIDDEN_RANGES)}]")
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F)}
_CONTROLS |= {ord("\n"): "\\n", ord("\r"): "\\r"}
del _CONTROLS[ord("\t")]


class Masking(Protocol):
    """What takes secrets out of text; see `redaction.Mask`."""

    def __call__(self, text: str) -> str:
        """All of a text."""

    def part(self, text: str, start: int, stop: int) -> str:
        """A part of a text, where a secret that reaches into it is known by its whole."""


def exact(text: str) -> str:
    """As a plain `str`: the methods of a subclass are somebody else's code."""
    return text if type(text) is str else str.__str__(text)


def clean(text: str) -> str:
    r"""``text`` without control characters and terminal sequences; newlines become ``\n``.

    Lone surrogates become ``?``: UTF-8 has no form for them. What nobody would see, such as
    U+2028, marks that reorder text and characters without width, is written out: ``\u2028``.
    """
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _UNWANTED.sub("", text)
    if text.isascii():
        return text
    return _HIDDEN.sub(_written_out, text).encode("utf-8", "replace").decode("utf-8")


def escape(text: str) -> str:
    r"""The text on one line, with control characters as Python would write them.

    >>> escape("two\nlines")
    'two\\nlines'
    """
    # None of them is printable. Nearly every text is, and asking is ten times cheaper.
    if text.isprintable():
        return text
    return _HIDDEN.sub(_written_out, text.translate(_CONTROLS))


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def clip(text: str, limit_bytes: int) -> str:
    """``text`` if its UTF-8 form fits, else its start and end with a note between."""
    if len(text) * 4 <= limit_bytes:
        return text
    data = text.encode("utf-8", "replace")
    if len(data) <= limit_bytes:
        return text
    return _parted(data, data, len(data) - limit_bytes, limit_bytes)


def fit(
    text: str,
    limit_bytes: int,
    mask: Masking | None = None,
    *,
    tidy: Callable[[str], str] = clean,
) -> str:
    """``text`` clean, without secrets, and as `clip` cuts it; a long one is cut first.

    Args:
        tidy: What cleans it.
    """
    text = exact(text)
    if len(text) <= limit_bytes:
        text = tidy(text)
        return clip(text if mask is None else mask(text), limit_bytes)
    head = tidy(text[: limit_bytes // 4 + _MARGIN])
    tail = tidy(text[len(text) - limit_bytes - _MARGIN :])
    if mask is not None:
        # Nothing within half the margin of a cut is kept: it may be part of a secret.
        head = mask.part(head, 0, len(head) - _MARGIN // 2)
        tail = mask.part(tail, _MARGIN // 2, len(tail))
    left_out = len(text) - limit_bytes
    return _parted(
        head.encode("utf-8", "replace"), tail.encode("utf-8", "replace"), left_out, limit_bytes
    )


def _parted(head: bytes, tail: bytes, left_out: int, limit_bytes: int) -> str:
    note = f"\n... {left_out} bytes or more left out ...\n"
    room = limit_bytes - len(note)
    # The end says more: a traceback's last lines name the error.
    start = head[: room // 4].decode("utf-8", "ignore")
    end = tail[max(0, len(tail) - (room - room // 4)) :].decode("utf-8", "ignore")
    return f"{start}{note}{end}"


def written(value: Any) -> str:
    """As `repr`, of no more than people read, whatever is inside of what.

    Raises:
        BaseException: what the ``__repr__`` of an object of another type raises.
    """
    return _Writing().of(value, 0)


def as_text(value: Any) -> str:
    """As `str`; a container as `written`.

    Raises:
        BaseException: what the value's own methods raise.
    """
    return exact(written(value) if type(value) in CONTAINERS else str(value))


class _Writing:
    """One value being written. ``_left`` bounds how many are looked at."""

    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def of(self, value: Any, depth: int) -> str:
        self._left -= 1
        kind = type(value)
        if kind is str or kind is bytes:
            return _short(value)
        if kind is bytearray:
            return f"bytearray({_short(bytes(value[:_MOST_TEXT]))})"
        brackets = _BRACKETS.get(kind)
        if brackets is None:
            return _number(value) if kind is int else repr(value)
        if not value:
            return repr(value)
        if depth >= _DEEPEST or self._left < 0:
            return f"{brackets[0]}...{brackets[1]}"
        inside = ", ".join(self._members(value, depth + 1))
        return f"{brackets[0]}{inside}{',' * (kind is tuple and len(value) == 1)}{brackets[1]}"

    def _members(self, value: Any, depth: int) -> list[str]:
        members: list[str] = []
        # The task's threads may change it meanwhile.
        for one in list(islice(value.items() if type(value) is dict else value, _MOST_VALUES)):
            if self._left < 0:
                members.append("...")
                break
            if type(value) is dict:
                members.append(f"{self.of(one[0], depth)}: {self.of(one[1], depth)}")
            else:
                members.append(self.of(one, depth))
        return members


_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def _number(value: int) -> str:
    bits = value.bit_length()
    return repr(value) if bits <= _MOST_BITS else f"<int of {bits} bits>"


def _short(value: str | bytes) -> str:
    if len(value) <= _MOST_TEXT:
        return repr(value)
    head, tail = value[: _MOST_TEXT // 4], value[len(value) - _MOST_TEXT :]
    return f"{head!r}...{tail!r}"
