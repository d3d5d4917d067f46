"""Classes to store, a way to see exactly what a value is, and values of every kind."""

import math
from collections import deque, namedtuple
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum, auto
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import (
    AnyUrl,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    PostgresDsn,
    PrivateAttr,
    RootModel,
    SecretBytes,
    SecretStr,
)
from pydantic_core import MultiHostUrl, Url

from fastapi_taskflow.rules.codec import TypeTable

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    GREEN = "green"
    CRIMSON = "red"  # noqa: PIE796  (an alias)


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Kind(StrEnum):
    MAIL = "mail"


class Access(Flag):
    READ = auto()
    WRITE = auto()
    ALL = READ | WRITE


@dataclass
class Plain:
    number: int
    label: str = "x"
    parts: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    key: Any
    inner: Any = None


@dataclass(order=True)
class Computed:
    base: int
    doubled: int = field(init=False)
    hidden: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        self.doubled = self.base * 2
        self.helper = object()


@dataclass
class WithInitVar:
    salt: InitVar[int]
    value: int = 0

    def __post_init__(self, salt: int) -> None:
        self.value += salt


@dataclass
class NotIdempotent:
    text: str

    def __post_init__(self) -> None:
        self.text += "!"


@dataclass
class Box(Generic[T]):
    content: T


@dataclass(frozen=True)
class Labelled:
    labels: dict[str, int] = field(hash=False)


class Spot(NamedTuple):
    x: Any
    label: str = "here"


Pair = namedtuple("Pair", ["left", "right"])  # noqa: PYI024  (the other kind of them)


class Address(BaseModel):
    street: str
    number: int | None = None


class Customer(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str = Field(alias="fullName")
    address: Address
    joined: datetime
    colours: set[Colour] = set()
    secret: int = Field(default=0, exclude=True)
    anything: Any = None
    _seen: int = PrivateAttr(default=0)

    @property
    def seen(self) -> int:
        return self._seen

    def see(self, times: int) -> None:
        self._seen = times


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    when: date
    pairs: tuple[tuple[int, bytes], ...]
    ratio: float = 0.0


class Anything(BaseModel):
    value: Any


class Numbers(RootModel[list[int]]):
    pass


CLASSES = (
    *(Colour, Size, Kind, Access),
    *(Plain, Frozen, Computed, WithInitVar, NotIdempotent, Box, Labelled),
    *(Spot, Pair),
    *(Address, Customer, Strict, Anything, Numbers),
)


def table() -> TypeTable:
    types = TypeTable()
    for cls in CLASSES:
        types.add(cls)
    return types


def sketch(value: Any) -> Any:  # noqa: C901, PLR0911  (one for each kind)
    """A value with a hash that is equal for values of equal type and content only.

    Other than ``==`` it tells 1 from True and 1.0, and takes NaN for equal to itself.
    """
    cls = type(value)
    if isinstance(value, Enum):
        return cls, value.value
    if isinstance(value, BaseModel):
        parts = (value.__dict__, value.__pydantic_extra__, value.__pydantic_private__)
        return cls, *map(sketch, parts), frozenset(value.model_fields_set)
    if is_dataclass(value):
        return cls, tuple((each.name, sketch(getattr(value, each.name))) for each in fields(value))
    if cls is float:
        return cls, "nan" if math.isnan(value) else value.hex()
    if cls in (datetime, time):
        zone = getattr(value.tzinfo, "key", None)
        return cls, value.replace(tzinfo=None).isoformat(), value.fold, zone or value.utcoffset()
    if cls is Decimal:
        return cls, str(value)
    if cls is deque:
        return cls, value.maxlen, tuple(map(sketch, value))
    if cls in (SecretStr, SecretBytes):
        return cls, value.get_secret_value()
    if issubclass(cls, (list, tuple)):
        return cls, tuple(map(sketch, value))
    if cls in (set, frozenset):
        return cls, frozenset(map(sketch, value))
    if isinstance(value, Mapping):
        # In order: a dict comes back as it was filled.
        return cls, tuple((sketch(key), sketch(item)) for key, item in value.items())
    return cls, value


zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"]).map(ZoneInfo),
)
# Lone surrogates too, and what the format itself uses.
texts = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=8),
    st.sampled_from(["$", '"$"', "\ud800", "NaN", "Infinity", "\x00", "v", "c"]),
)
hosts = st.sampled_from(["a.example", "127.0.0.1", "[::1]", "münchen.example", "a.example:8443"])
names = st.text("aé /?#%.-_~", max_size=8)
addresses = st.one_of(
    st.ip_addresses(),
    st.ip_addresses().map(lambda each: (IPv4Network if each.version == 4 else IPv6Network)(each)),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(IPv4Interface),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)).map(IPv6Interface),
    st.sampled_from(
        [IPv4Address("10.0.0.1"), IPv6Address("fe80::1%eth0"), IPv4Network("10.0.0.0/8")]
    ),
    st.builds(
        lambda cls, text: cls(text), st.sampled_from([Path, PurePosixPath, PureWindowsPath]), texts
    ),
    st.builds(
        lambda cls, host, path: cls(f"https://u:p@{host}/{path}"),
        st.sampled_from([HttpUrl, AnyUrl, Url]),
        hosts,
        names,
    ),
    st.builds(
        lambda cls, host: cls(f"postgresql://u:p@{host},b.example/db"),
        st.sampled_from([PostgresDsn, MultiHostUrl]),
        hosts,
    ),
)
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
leaves = st.one_of(
    plain,
    # Few digits in what hypothesis prints of the strategy, which it bounds.
    st.integers(0, 2**40).map(lambda number: 2**2000 + number),
    st.binary(max_size=8),
    st.builds(
        datetime.replace, st.datetimes(timezones=zones), fold=st.integers(min_value=0, max_value=1)
    ),
    st.dates(),
    st.times(timezones=zones),
    st.timedeltas(),
    st.decimals().filter(lambda number: not number.is_snan()),
    st.uuids().map(lambda each: UUID(str(each))),
    st.sampled_from([*Colour, *Size, *Kind, Access.READ, Access.ALL, Access(0)]),
    addresses,
)
hashables = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Frozen, key=inner, inner=inner),
        st.builds(Spot, x=inner),
    ),
    max_leaves=5,
)
customers = st.builds(
    Customer,
    fullName=st.text(max_size=5),
    address=st.builds(Address, street=st.text(max_size=5)),
    joined=st.datetimes(timezones=zones),
    colours=st.sets(st.sampled_from(Colour)),
)
values = st.recursive(
    st.one_of(leaves, customers),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.sets(hashables, max_size=3),
        st.dictionaries(texts, inner, max_size=3),
        st.dictionaries(hashables, inner, max_size=3),
        st.builds(Plain, number=st.integers(), label=texts, parts=st.lists(inner, max_size=2)),
        st.builds(Frozen, key=inner, inner=inner),
        st.builds(Computed, base=st.integers()),
        st.builds(Spot, x=inner, label=texts),
        st.builds(Pair, inner, inner),
        st.builds(deque, st.lists(inner, max_size=3), st.none() | st.integers(3, 5)),
    ),
    max_leaves=12,
)
calls = st.tuples(
    st.lists(values, max_size=3).map(tuple), st.dictionaries(texts, values, max_size=3)
)
