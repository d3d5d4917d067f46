"""Values and options with which no caller may harm another."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any

from pydantic import BaseModel


class Refusal(Exception):
    """What hostile code raises."""


def refuse(*_: Any, **__: Any) -> Any:
    raise Refusal("not for you")


def leave(*_: Any, **__: Any) -> Any:
    raise SystemExit(3)


def _object(name: str, **methods: Any) -> Any:
    return type(name, (), methods)()


class Everything:
    """Raises whatever is asked of it."""

    __repr__ = __str__ = __eq__ = __hash__ = __bool__ = __len__ = refuse
    __iter__ = __getitem__ = __reduce_ex__ = __reduce__ = __format__ = refuse

    def __getattribute__(self, name: str) -> Any:
        raise Refusal(name)


class Lazy(Mapping[str, Any]):
    """A mapping whose items are fetched, in vain."""

    def __getitem__(self, key: str) -> Any:
        raise Refusal(key)

    def __iter__(self) -> Iterator[str]:
        raise Refusal

    def __len__(self) -> int:
        return 3


class Text(str):
    """Text that is none of its own."""

    __slots__ = ()
    isprintable = encode = isascii = strip = replace = __len__ = __str__ = refuse


class Number(int):
    __neg__ = __index__ = __lt__ = __str__ = __repr__ = refuse


class Model(BaseModel):
    name: str = "a"

    @property
    def detached(self) -> Any:
        raise Refusal


@dataclasses.dataclass
class Record:
    secret: Any = None

    def __getattr__(self, name: str) -> Any:
        raise Refusal(name)


def _cycle() -> Any:
    cycle: list[Any] = []
    cycle.append({"again": cycle})
    return cycle


def _deep() -> Any:
    value: Any = "end"
    for _ in range(2_000):
        value = [value]
    return value


def _doubling() -> Any:
    value: Any = "x"
    for _ in range(60):
        value = [value, value]
    return value


class Quits(type):
    """A class of classes that ends the process wherever its code runs."""

    def __getattribute__(cls, name: str) -> Any:
        raise SystemExit(name)

    def __hash__(cls) -> int:
        raise SystemExit

    def __eq__(cls, other: object) -> bool:
        raise SystemExit


class OfQuits(metaclass=Quits):
    """Its class cannot be looked at."""


class Zone(tzinfo):
    """Ends the process when it is asked for the time."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        raise SystemExit

    def dst(self, when: datetime | None) -> timedelta | None:
        raise SystemExit

    def tzname(self, when: datetime | None) -> str | None:
        raise SystemExit


class Shut(dict[str, str]):
    """Ends the process when it is opened."""

    def items(self) -> Any:
        raise SystemExit


VALUES: list[Callable[[], Any]] = [
    Everything,
    Lazy,
    Record,
    lambda: Record(Everything()),
    Model,
    lambda: Model.model_construct(name=Everything()),
    lambda: Text("text"),
    lambda: Number(5),
    _cycle,
    _deep,
    _doubling,
    object,
    lambda: b"\xff",
    lambda: "\ud800",
    lambda: "a\0b\x1b[2J\u2028",
    lambda: "z" * 300_000,
    lambda: 2**5_000,
    lambda: math.nan,
    lambda: -math.inf,
    lambda: {"password": Everything()},
    lambda: {Everything: 1},
    lambda: [Everything(), Text("a")],
    lambda: iter(()),
    lambda: _object("NoRepr", __repr__=leave, __str__=leave),
    lambda: _object("NoClass", __class__=property(refuse)),
    lambda: _object("ALie", __class__=property(lambda self: str)),
    lambda: _object("NoDict", __dict__=property(refuse)),
    lambda: _object("NoAttributes", __getattr__=leave),
    lambda: _object("NoBool", __bool__=refuse, __len__=refuse),
    lambda: datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
    lambda: Ellipsis,
    lambda: refuse,
    lambda: OfQuits,
    OfQuits,
    lambda: datetime(2030, 1, 1, tzinfo=Zone()),
    Shut,
]

OPTIONS: dict[str, list[Any]] = {
    "priority": [
        "high",
        2**70,
        1.5,
        math.nan,
        True,
        -(2**31),
        Number(5),
        b"1",
        [],
        OfQuits,
        OfQuits(),
        5,
    ],
    "queue": ["nowhere", "", "a\0b", 5, Text("default"), "q" * 10_000, [], "default"],
    "tags": [
        5,
        "text",
        {"a": object()},
        {1: 2},
        {"a": math.nan},
        {"a" * 500: "b"},
        {str(n): "x" for n in range(50)},
        {"a": "\ud800"},
        {"a": "\0"},
        {Text("a"): Text("b")},
        Lazy(),
        Shut(a="b"),
        OfQuits(),
        {"a": datetime(2030, 1, 1, tzinfo=Zone())},
        [("a", "b")],
        {"a": "b"},
    ],
    "idempotency_key": ["", "k" * 1_000, 5, "\ud800", "a\0b", Text("key"), b"key", "key"],
    "delay": [math.nan, math.inf, -1, "soon", 1e300, 1e12, True, timedelta(1), 3600],
    "run_at": [
        datetime.max,  # noqa: DTZ901  (as people write it)
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
        datetime.min.replace(tzinfo=UTC),
        datetime(2026, 1, 1),  # noqa: DTZ001  (that is what is wrong with it)
        date(2026, 1, 1),
        "tomorrow",
        datetime(2030, 1, 1, tzinfo=Zone()),
        OfQuits(),
        math.nan,
        0,
    ],
}
