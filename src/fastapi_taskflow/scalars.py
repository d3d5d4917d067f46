"""The values without parts that JSON has no form for, one writer and one reader each."""

from __future__ import annotations

import base64
import re
import zoneinfo
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

__all__ = ["SCALAR_READERS", "SCALAR_WRITERS", "needs_care"]

# The JSON reader takes 4,300 digits; half of that is safe under any setting of Python's.
_PLAIN_INT_BITS = 2048

_SURROGATE = re.compile("[\ud800-\udfff]")


def needs_care(text: str) -> bool:
    """True for text with lone surrogates, which UTF-8 and so JSON cannot hold."""
    return _SURROGATE.search(text) is not None


def _write_str(value: str) -> Any:
    if needs_care(value):
        return {"$": "str", "v": _base64(value.encode("utf-8", "surrogatepass"))}
    return value


def _read_str(node: Any) -> str:
    return _unbase64(node["v"]).decode("utf-8", "surrogatepass")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _write_int(value: int) -> Any:
    return value if value.bit_length() <= _PLAIN_INT_BITS else {"$": "int", "v": f"{value:x}"}


def _write_float(value: float) -> Any:
    return value if isfinite(value) else {"$": "float", "v": repr(value)}


def _write_moment(kind: str, value: datetime | time) -> Any:
    tree: dict[str, Any] = {"$": kind}
    if isinstance(value.tzinfo, ZoneInfo):
        if value.tzinfo.key is None:
            raise ValueError("found a time zone without a name; use ZoneInfo(name)")
        tree["z"] = value.tzinfo.key
        value = value.replace(tzinfo=None)
    elif value.tzinfo is not None and value.utcoffset() is None:
        raise ValueError("found a time zone without an offset; use ZoneInfo(name)")
    tree["v"] = value.isoformat()
    if value.fold:
        tree["f"] = 1
    return tree


def _read_moment(parse: Callable[[str], Any], node: Any) -> Any:
    value = parse(node["v"])
    if "f" in node:
        value = value.replace(fold=1)
    if "z" in node:
        value = value.replace(tzinfo=_zone(node["z"]))
    return value


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _zone(name: str) -> ZoneInfo:
    # Looked up first: ZoneInfo would try to import a package of an unknown name.
    if name not in _zone_names():
        raise ValueError(f"time zone {name!r} is unknown")
    return ZoneInfo(name)


SCALAR_WRITERS: dict[type, Callable[[Any], Any]] = {
    bool: lambda value: value,
    type(None): lambda value: value,
    str: _write_str,
    int: _write_int,
    float: _write_float,
    bytes: lambda value: {"$": "bytes", "v": _base64(value)},
    datetime: lambda value: _write_moment("datetime", value),
    date: lambda value: {"$": "date", "v": value.isoformat()},
    time: lambda value: _write_moment("time", value),
    timedelta: lambda value: {"$": "timedelta", "v": [value.days, value.seconds, value.microseconds]},
    Decimal: lambda value: {"$": "decimal", "v": str(value)},
    UUID: lambda value: {"$": "uuid", "v": str(value)},
}

SCALAR_READERS: dict[str, Callable[[Any], Any]] = {
    "str": _read_str,
    "int": lambda node: int(node["v"], 16),
    "float": lambda node: float(node["v"]),
    "bytes": lambda node: _unbase64(node["v"]),
    "datetime": lambda node: _read_moment(datetime.fromisoformat, node),
    "date": lambda node: date.fromisoformat(node["v"]),
    "time": lambda node: _read_moment(time.fromisoformat, node),
    "timedelta": lambda node: timedelta(*node["v"]),
    "decimal": lambda node: Decimal(node["v"]),
    "uuid": lambda node: UUID(node["v"]),
}
