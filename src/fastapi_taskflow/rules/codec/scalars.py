"""The values without parts that JSON has no form for: one writer and one reader each.

A writer gives a JSON value and raises ``ValueError`` for what would not come back; a
reader raises anything for a form that no writer gives.

Paths, network addresses and URLs come back as the same class. URLs are of pydantic's own
classes: a user's subclass may have rules that a stored text does not tell.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from math import isfinite
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AnyUrl, PostgresDsn, SecretBytes, SecretStr, networks
from pydantic_core import MultiHostUrl, Url

__all__ = [
    "CAREFUL",
    "DATES",
    "HOPEFUL",
    "PLAIN_INT_BITS",
    "SCALAR_READERS",
    "SCALAR_WRITERS",
    "SECRET_WRITERS",
    "Foreign",
    "Node",
    "has_surrogates",
    "least_size",
    "plain_date",
]

M = TypeVar("M", datetime, time)
Node = Mapping[str, Any]

HOPEFUL = frozenset[type]({str, int, float, bool, type(None)})
"""Types to be taken as they are, in the hope that each value has a JSON form; most have."""

CAREFUL = frozenset[type]({bool, type(None)})
"""Types whose every value has one."""

# The JSON reader takes 4,300 digits; this is 617.
PLAIN_INT_BITS = 2048

# Classes whose subclasses are stored as what they are; no name of a module, because a frozen
# clock in a test puts classes of its own in the place of these.
DATES: tuple[Any, Any] = (datetime, date)

_IPS = {
    cls.__name__: cls
    for cls in (
        *(ipaddress.IPv4Address, ipaddress.IPv4Network, ipaddress.IPv4Interface),
        *(ipaddress.IPv6Address, ipaddress.IPv6Network, ipaddress.IPv6Interface),
    )
}
# One class for URLs with one host and one for those with many; without their own base.
_URL_BASES = (AnyUrl.__mro__[-2], PostgresDsn.__mro__[-2])
_URLS: dict[str, Any] = {
    cls.__name__: cls
    for cls in vars(networks).values()
    if isinstance(cls, type) and issubclass(cls, _URL_BASES) and cls not in _URL_BASES
} | {"Url": Url, "MultiHostUrl": MultiHostUrl}
# `Path` is the class of this system's own paths, wherever it is read.
_PATHS: dict[str, type[PurePath]] = {
    "Path": type(Path()),
    "PurePosixPath": PurePosixPath,
    "PureWindowsPath": PureWindowsPath,
}

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


def _text(node: Node) -> str:
    text = node["v"]
    if type(text) is not str:
        raise TypeError(f"expected text, found {type(text).__name__}")
    return text


def _write_text(value: str) -> Any:
    """Text as a node; tagged where UTF-8 has no form for it."""
    if has_surrogates(value):
        return {"$": "str", "v": _base64(value.encode("utf-8", "surrogatepass"))}
    return value


def _read_str(node: Node) -> str:
    return _read_bytes(node).decode("utf-8", "surrogatepass")


def _read_text(node: Node) -> str:
    """The text of a node as `_write_text` gave it to ``v``."""
    inner = node["v"]
    return _read_str(inner) if type(inner) is dict and inner.get("$") == "str" else _text(node)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _read_bytes(node: Node) -> bytes:
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


def _read_moment(parse: Callable[[str], M], node: Node) -> M:
    value = parse(_text(node))
    if "f" in node:
        value = value.replace(fold=1)
    if "z" in node:
        value = value.replace(tzinfo=_zone(node["z"]))
    return value


def _read_parsed(parse: Callable[[str], Any], node: Node) -> Any:
    return parse(_text(node))


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _zone(name: str) -> ZoneInfo:
    # Looked up first: for an unknown name, ZoneInfo tries to import a package of that name.
    if name not in _zone_names():
        raise Foreign(f"time zone {name!r} is not known here")
    return ZoneInfo(name)


def _write_bytes(value: bytes) -> dict[str, Any]:
    return {"$": "bytes", "v": _base64(value)}


def _named_writer(kind: str, name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {"$": kind, "k": name, "v": _write_text(str(value))}


def _named_reader(classes: Mapping[str, Any]) -> Callable[[Node], Any]:
    def read(node: Node) -> Any:
        name, text = node["k"], _read_text(node)
        if type(name) is str and name not in classes:
            raise Foreign(f"the class {name!r} is not known here")
        return classes[name](text)

    return read


SCALAR_WRITERS: dict[type, Callable[[Any], Any]] = {
    bool: lambda value: value,
    type(None): lambda value: value,
    str: _write_text,
    int: _write_int,
    float: _write_float,
    bytes: _write_bytes,
    datetime: lambda value: _write_moment("datetime", value),
    date: lambda value: {"$": "date", "v": value.isoformat()},
    time: lambda value: _write_moment("time", value),
    timedelta: _write_timedelta,
    Decimal: lambda value: {"$": "decimal", "v": str(value)},
    UUID: lambda value: {"$": "uuid", "v": str(value)},
    **{cls: _named_writer("path", name) for name, cls in _PATHS.items()},
    **{cls: _named_writer("ip", name) for name, cls in _IPS.items()},
    **{cls: _named_writer("url", name) for name, cls in _URLS.items()},
}

SECRET_WRITERS: dict[type, Callable[[Any], Any]] = {
    SecretStr: lambda value: {"$": "secret", "v": _write_text(value.get_secret_value())},
    SecretBytes: lambda value: {"$": "secret_bytes", "v": _base64(value.get_secret_value())},
}
"""For what is stored encrypted only."""

# The parsers of times are bound here, as those of `DATES` are.
SCALAR_READERS: dict[str, Callable[[Node], Any]] = {
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
    "path": _named_reader(_PATHS),
    "ip": _named_reader(_IPS),
    "url": _named_reader(_URLS),
    "secret": lambda node: SecretStr(_read_text(node)),
    "secret_bytes": lambda node: SecretBytes(_read_bytes(node)),
}
