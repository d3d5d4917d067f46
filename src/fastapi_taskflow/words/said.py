"""What a function tells while it runs: lines of its log, progress, and data for who watches.

Each of them can be pickled whatever is in it, so that whoever carries it out of a process need
not look inside.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from fastapi_taskflow.words.errors import ConfigurationError, TaskArgumentError
from fastapi_taskflow.words.limits import finite, wrong
from fastapi_taskflow.words.plain import is_a
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.texts import Masking, as_text, clean, escape, fit

__all__ = [
    "EMITTED_LIMIT_BYTES",
    "LINE_LIMIT_BYTES",
    "MESSAGE_LIMIT_BYTES",
    "SUMMARY_CHARACTERS",
    "TITLE_CHARACTERS",
    "Completion",
    "Emitted",
    "Line",
    "Progress",
    "Said",
    "Say",
    "Summary",
    "emitted",
    "line_of",
    "progress",
    "summary",
]

LINE_LIMIT_BYTES = 16_384
"""One line must not fill a task's whole log."""
MESSAGE_LIMIT_BYTES = 1_024
"""Of the message beside a progress bar."""
EMITTED_LIMIT_BYTES = 16_384
"""Of one emitted value, as JSON."""
TITLE_CHARACTERS = 200
SUMMARY_CHARACTERS = 500

# Looked at of a line that is cut, with what may hold a secret that the cut would part.
_LOOKED_AT_BYTES = 8_192

# Beyond it JavaScript, which draws the bar, counts wrongly.
_MOST = 2**53


class Line(NamedTuple):
    """A line of the log, its level, and values for structured observers."""

    message: str
    level: str
    extra: dict[str, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        values = {name: _sendable(value) for name, value in self.extra.items()}
        return _line, (fit(self.message, LINE_LIMIT_BYTES), self.level, values)


class Progress(NamedTuple):
    """How far a task has come: ``done`` of ``total``, in units of its own.

    Attributes:
        total: None: nobody knows. It may be less than ``done``, where it was an estimate.
        message: One line for people.
    """

    done: float
    total: float | None = None
    message: str | None = None

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {self.total:g}"
        told = "" if self.message is None else f": {self.message}"
        return f"{self.done:g}{of}{told}"

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-serialisable values."""
        return self._asdict()


class Emitted(NamedTuple):
    """A value for whoever watches the task, as JSON."""

    data: str


class Summary(NamedTuple):
    """What the task did, in one line."""

    text: str


class Completion:
    """The function ends its task in its own transaction: no news, but an order.

    Attributes:
        session: The transaction's.
        result: What the task is to have returned.
        answer: Set by who hears it, before they return.
    """

    def __init__(self, session: object, result: object) -> None:
        self.session = session
        self.result = result
        self.answer: Awaitable[None] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        raise ConfigurationError(
            "complete_in(session) works for functions in the server's own process, on its event "
            'loop or its threads; executor="process" and "dask" have their tasks elsewhere.'
        )


Said = Line | Progress | Emitted | Summary | Completion
Say = Callable[[Said], None]
"""Takes what a run tells, from any thread, in its order."""


def progress(done: object, total: object = None, message: object = None) -> Progress:
    """The progress that a function reports; a long message is cut.

    Raises:
        TaskArgumentError: an amount is no finite number from 0 up.
    """
    return Progress(
        _amount("done", done),
        None if total is None else _amount("total", total),
        None if message is None else fit(_text_of(message), MESSAGE_LIMIT_BYTES),
    )


def _amount(what: str, value: object) -> float:
    if type(value) is int and 0 <= value <= _MOST:
        return value
    found = finite(value)
    if found is None or not 0 <= found <= _MOST:
        raise wrong(f"progress(): {what}", "a number from 0 up", value, TaskArgumentError)
    return int(found) if is_a(value, int) else found


def emitted(data: object) -> Emitted:
    """The value that a function emits.

    Raises:
        TaskArgumentError: it is nothing that JSON can say, or too long.
    """
    try:
        text = json.dumps(data, allow_nan=False, separators=(",", ":"))
        if "\\ud" in text:
            # Perhaps half a surrogate pair, for which UTF-8 has no form.
            told = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")
            text = json.dumps(json.loads(told), separators=(",", ":"))
    # Their classes may be the user's own.
    except (ValueError, TypeError, RecursionError) as exc:
        raise TaskArgumentError(
            f"emit() takes what JSON can say (text, numbers, lists, dicts with names), got "
            f"{quoted(data)}: {exc}"
        ) from exc
    if len(text) > EMITTED_LIMIT_BYTES:
        raise TaskArgumentError(
            f"emit() takes up to {EMITTED_LIMIT_BYTES} bytes of JSON, got {len(text)}. Store "
            "what is large, and emit where it is."
        )
    return Emitted(text)


def summary(text: object) -> Summary:
    """The summary that a function gives; a long one is cut."""
    return Summary(fit(_text_of(text), _LOOKED_AT_BYTES))


def line_of(text: str, most: int, mask: Masking | None = None) -> str:
    """The text on one line of so many characters, without secrets; one that is cut ends in …."""
    line = " ".join(fit(text, _LOOKED_AT_BYTES, mask, tidy=_one_line).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _one_line(text: str) -> str:
    return escape(" ".join(clean(text).split()))


def _sendable(value: Any) -> bytes:
    try:
        sent = pickle.dumps(value)
        pickle.loads(sent)  # noqa: S301  (just written)
    # Classes of the user's own say how they are pickled, and may raise anything.
    except Exception:
        sent = pickle.dumps(fit(_text_of(value), LINE_LIMIT_BYTES))
    return sent if len(sent) <= LINE_LIMIT_BYTES else pickle.dumps("<too long>")


def _text_of(value: object) -> str:
    try:
        return as_text(value)
    # As in `_sendable`.
    except Exception:
        return f"<{type(value).__name__}>"


def _line(message: str, level: str, values: dict[str, bytes]) -> Line:
    return Line(message, level, {name: _value_of(sent) for name, sent in values.items()})


def _value_of(sent: bytes) -> Any:
    try:
        return pickle.loads(sent)  # noqa: S301  (of our own run)
    # A class that is known where it was written only.
    except Exception as exc:
        return f"<not readable here: {type(exc).__name__}>"
