"""The values without parts that JSON has no form for: one writer and one reader each.

A writer gives a JSON value and raises ``ValueError`` for what would not come back; a
reader raises anything for a form that no writer gives.
"""

from __future__ import annotations

import base64
import re
import zoneinfo
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from math import isfinite
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

__all__ = [
    "DATES",
    "PLAIN_INT_BITS",
    "SCALAR_READERS",
    "SCALAR_WRITERS",
    "Foreign",
    "has_surrogates",
    "least_size",
    "plain_date",
    "read_text",
    "write_text",
]

M = TypeVar("M", datetime, time)

# The JSON reader takes 4,300 digits; this is 617.
PLAIN_INT_BITS = 2048

# Classes whose subclasses are stored as what they are; no name of a module, because a frozen
# clock in a test puts classes of its own in the place of these.
DATES: tuple[Any, Any] = (datetime, date)

_SURROGATE = re.compile("[\ud800-\udfff]")


class Foreign(ValueError):
    """The payload is well-formed; a newer version of the code may know what it names."""


def has_surrogates(text: str) -> bool:
    """True for text with lone surrogates, which UTF-8 and so JSON cannot hold."""
    return _SURROGATE.search(text) is not None


def least_size(value: Any) -> int:
    """Characters that a value takes at least when it is written, seen without writing it."""
    cls = type(value)
    if cls is str or cls is bytes:
        return len(value)
    if cls is int:
        return int(value.bit_length()) // 4
    # Eight bytes of a huge one hold 19 digits; the rest is its head.
    return int(value.__sizeof__()) // 8 if cls is Decimal else 0


def _text(node: Mapping[str, Any]) -> str:
    text = node["v"]
    if type(text) is not str:
        raise TypeError(f"expected text, found {type(text).__name__}")
    return text


def write_text(value: str) -> Any:
    """Text as a node; tagged where UTF-8 has no form for it."""
    if has_surrogates(value):
        return {"$": "str", "v": _base64(value.encode("utf-8", "surrogatepass"))}
    return value


def _read_str(node: Mapping[str, Any]) -> str:
    return _read_bytes(node).decode("utf-8", "surrogatepass")


def read_text(node: Mapping[str, Any]) -> str:
    """The text of a node as `write_text` gave it to ``v``."""
    inner = node["v"]
    return _read_str(inner) if type(inner) is dict and inner.get("$") == "str" else _text(node)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _read_bytes(node: Mapping[str, Any]) -> bytes:
    return base64.b64decode(_text(node), validate=True)


def _write_int(value: int) -> Any:
    return value if value.bit_length() <= PLAIN_INT_BITS else {"$": "int", "v": f"{value:x}"}


def _write_float(value: float) -> Any:
    return value if isfinite(value) else {"$": "float", "v": repr(value)}


def _write_timedelta(value: timedelta) -> Any:
    return {"$": "timedelta", "v": [value.days, value.seconds, value.microseconds]}


def _write_moment(kind: str, value: datetime | time) -> Any:
    """A zone goes by name and comes back as it was; any other offset as a fixed one."""
    tree: dict[str, Any] = {"$": kind}
    if value.fold:
        tree["f"] = 1
    if isinstance(value.tzinfo, ZoneInfo):
        if value.tzinfo.key not in _zone_names():
            raise ValueError(
                f"found a time zone that cannot be found by its name, {value.tzinfo.key!r}; "
                "use ZoneInfo(name)"
            )
        tree["z"] = value.tzinfo.key
        value = value.replace(tzinfo=None)
    elif value.tzinfo is not None and value.utcoffset() is None:
        raise ValueError("found a time zone without an offset; use ZoneInfo(name)")
    tree["v"] = value.isoformat()
    return tree


def plain_date(value: Any) -> Any:
    """The datetime or date that an instance of a subclass is.

    Raises:
        ValueError: it is more than that, such as a timestamp with nanoseconds.
    """
    day = (value.year, value.month, value.day)
    if isinstance(value, DATES[0]):
        clock = (value.hour, value.minute, value.second, value.microsecond)
        plain = DATES[0](*day, *clock, value.tzinfo, fold=value.fold)
    else:
        plain = DATES[1](*day)
    if plain == value:
        return plain
    raise ValueError(f"found a {type(value).__qualname__} that is not equal to any plain one")


def _read_moment(parse: Callable[[str], M], node: Mapping[str, Any]) -> M:
    value = parse(_text(node))
    if "f" in node:
        value = value.replace(fold=1)
    if "z" in node:
        value = value.replace(tzinfo=_zone(node["z"]))
    return value


def _read_parsed(parse: Callable[[str], Any], node: Mapping[str, Any]) -> Any:
    return parse(_text(node))


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _zone(name: str) -> ZoneInfo:
    # Looked up first: for an unknown name, ZoneInfo tries to import a package of that name.
    if name not in _zone_names():
        raise Foreign(f"time zone {name!r} is not known here")
    return ZoneInfo(name)


SCALAR_WRITERS: dict[type, Callable[[Any], Any]] = {
    bool: lambda value: value,
    type(None): lambda value: value,
    str: write_text,
    int: _write_int,
    float: _write_float,
    bytes: lambda value: {"$": "bytes", "v": _base64(value)},
    datetime: lambda value: _write_moment("datetime", value),
    date: lambda value: {"$": "date", "v": value.isoformat()},
    time: lambda value: _write_moment("time", value),
    timedelta: _write_timedelta,
    Decimal: lambda value: {"$": "decimal", "v": str(value)},
    UUID: lambda value: {"$": "uuid", "v": str(value)},
}

SCALAR_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "str": _read_str,
    "int": lambda node: int(_text(node), 16),
    "float": lambda node: float(_text(node)),
    "bytes": _read_bytes,
    "datetime": partial(_read_moment, datetime.fromisoformat),
    "date": partial(_read_parsed, date.fromisoformat),
    "time": partial(_read_moment, time.fromisoformat),
    "timedelta": lambda node: timedelta(*node["v"]),
    "decimal": lambda node: Decimal(_text(node)),
    "uuid": lambda node: UUID(_text(node)),
}
