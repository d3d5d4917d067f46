"""Why a value cannot be stored, and the way to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Excess", "Refusal", "label", "reading", "title"]

_LABEL_CHARACTERS = 40
_LABEL_BITS = 200
_PLAIN = frozenset[type]({int, float, bool, type(None)})


class Refusal(Exception):
    """A value cannot be stored. ``path`` leads to it, from the inside outwards."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.path: list[str] = []
        # The model around it was asked for its own JSON form, in vain.
        self.final = False


class Excess(Refusal):
    """There is too much of it, whatever it is."""

    def __init__(self, problem: str, *, of_bytes: bool = False) -> None:
        super().__init__(problem)
        self.final = True
        self.of_bytes = of_bytes


@contextmanager
def reading() -> Iterator[None]:
    """Code of a value's own class runs: what it raises is a refusal."""
    try:
        yield
    except Refusal:
        raise
    except ValueError as exc:
        raise Refusal(str(exc)) from exc
    except Exception as exc:
        raise Refusal(f"{type(exc).__name__} while reading it: {exc}") from exc


def label(key: object) -> str:
    """A key as a step of a path, cut and without running code of its own."""
    kind = type(key)
    if isinstance(key, str) and kind is str:
        return repr(key if len(key) <= _LABEL_CHARACTERS else f"{key[:_LABEL_CHARACTERS]}...")
    long = isinstance(key, int) and key.bit_length() > _LABEL_BITS
    return repr(key) if kind in _PLAIN and not long else f"<{kind.__name__}>"


def title(cls: type) -> str:
    """A class in words of a message."""
    return f"{cls.__module__}.{cls.__qualname__}"
