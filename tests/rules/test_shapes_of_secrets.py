"""Wherever a secret lies among arguments, it is found; whatever lies there, nothing of it runs."""

import io
import itertools
import threading
from collections import ChainMap, OrderedDict, UserDict, defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest
from pydantic import AliasChoices, AliasPath, AnyUrl, BaseModel, Field, PostgresDsn
from starlette.datastructures import Headers

from fastapi_taskflow import Sensitive
from fastapi_taskflow.rules.redaction import MASK, Mask, Redactor

REDACTOR = Redactor()
CANARY = "canary-4242"


class Login(NamedTuple):
    user: str
    password: str
    note: Annotated[str, Sensitive] = ""


class Aliased(BaseModel):
    pw: str = Field("", alias="password")
    key: str = Field("", validation_alias=AliasChoices("x", AliasPath("auth", "apiKey")))
    out: str = Field("", serialization_alias="access_token")


class Slotted:
    __slots__ = ("token", "unset")

    def __init__(self, token: str) -> None:
        self.token = token


class Plain:
    def __init__(self, **attributes: object) -> None:
        vars(self).update(attributes)


class OwnMapping(Mapping[str, Any]):
    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


class Stateless(Mapping[str, Any]):
    """As mappings written in C: nothing of it is seen but through it."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        return CANARY

    def __iter__(self) -> Iterator[str]:
        return iter(["token"])

    def __len__(self) -> int:
        return 1


class Kind(Enum):
    SECRET = CANARY


SHAPES: list[Any] = [
    Login("u", CANARY),
    Login("u", "x" * 9, CANARY),
    Aliased.model_validate({"password": CANARY}),
    Aliased.model_construct(key=CANARY),
    Aliased.model_construct(out=CANARY),
    Slotted(CANARY),
    Plain(inner=Plain(api_key=CANARY)),
    OrderedDict(password=CANARY),
    defaultdict(str, password=CANARY),
    UserDict({"password": CANARY}),
    ChainMap({}, {"password": CANARY}),
    MappingProxyType({"password": CANARY}),
    MappingProxyType(OwnMapping({"password": CANARY})),
    OwnMapping({"password": CANARY}),
    Stateless(),
    Headers({"authorization": CANARY}),
    {b"authorization": CANARY.encode()},
    {"passwords": [CANARY]},
    {"tokens": {CANARY}},
    {"API-Keys": deque([CANARY])},
    {"auth": ("user", CANARY)},
    {"bearer": CANARY},
    {"otp": CANARY},
    {"X-Hub-Signature": CANARY},
    {"Authorization": f"Bearer {CANARY}"},
    {"Cookie": f"theme=dark; sid={CANARY}; a=b"},
    {"secret": Kind.SECRET},
    {"secret": bytearray(CANARY.encode())},
    {"secret": Plain(any_name=[CANARY])},
    [("password", CANARY)],
    [["X-Api-Key", CANARY]],
    [(b"host", b"h"), (b"cookie", CANARY.encode())],
    {"password": CANARY}.items(),
    f"postgresql+asyncpg://user:{CANARY}@host/db",
    f"redis://:{CANARY}@host",
    PostgresDsn(f"postgresql://user:{CANARY}@host,other/db"),
    [AnyUrl(f"https://user:{CANARY}@host")],
]


@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_a_secret_is_found_and_not_shown_in_any_shape(number):
    value = SHAPES[number]

    mask = REDACTOR.mask_of(None, (value,), {})
    shown = repr(REDACTOR.shown(None, (value,), {}))
    kept = repr(REDACTOR.details({"x": value, "y": f"it is {CANARY}"}, mask))

    assert mask(f"it is {CANARY}!") == f"it is {MASK}!"
    assert CANARY not in shown
    assert CANARY not in kept


@pytest.mark.parametrize(
    "name", ["max_tokens", "total_tokens", "token_count", "author", "design", "spoof", "basic"]
)
def test_what_is_counted_or_only_resembles_a_secret_is_none(name):
    assert not REDACTOR.is_sensitive(name)


@pytest.mark.parametrize("name", ["access_tokens", "refreshTokens", "api_keys", b"Cookie", "OTP"])
def test_plurals_and_bytes_are_names_as_well(name):
    assert REDACTOR.is_sensitive(name)


# Objects that fight back


class Lazy:
    """A column of a row without a session."""

    def __get__(self, owner: object, cls: type) -> Any:
        raise RuntimeError("not bound to a Session")

    def __set__(self, owner: object, value: object) -> None: ...


@dataclass
class Row:
    id: int
    name: str


Row.name = Lazy()  # type: ignore[assignment]


class LazyMapping(OwnMapping):
    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("SELECT * FROM users")

    __getitem__ = __len__ = items = __iter__  # type: ignore[assignment]


class StatelessLazy(Stateless):
    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("SELECT * FROM users")


class Endless(Stateless):
    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        return itertools.repeat("x")

    def __getitem__(self, key: str) -> Any:
        return 1


class Hostile:
    def __init__(self) -> None:
        object.__getattribute__(self, "__dict__")["password"] = CANARY

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"{name} sends SQL")

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __iter__ = __len__ = __bool__ = __repr__

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")


class Proxy:
    """As those of lazy settings, which load when they are asked for their class."""

    def __init__(self) -> None:
        object.__setattr__(self, "_token", CANARY)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("loaded")


class Meta(type):
    def __hash__(cls) -> int:
        raise RuntimeError("hash of a class")

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError("attribute of a class")


class OfMeta(metaclass=Meta): ...


class EvilList(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("iterated")


class EvilText(str):
    __slots__ = ()

    def __len__(self) -> int:
        raise RuntimeError("len")

    isprintable = replace = encode = __str__ = __repr__ = __getitem__ = __len__  # type: ignore[assignment]


HOSTILE = [
    Row(1, "x"),
    LazyMapping({"password": CANARY}),
    StatelessLazy(),
    Endless(),
    Hostile(),
    Proxy(),
    OfMeta(),
    EvilList([{"password": CANARY}]),
    {"password": EvilText(CANARY)},
    {EvilText("password"): CANARY},
    io.StringIO(),
    threading.Lock(),
    (one for one in [1]),
    object(),
    print,
    {1: object(), (2, 3): {4}},
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_looking_runs_no_code_of_what_is_looked_at(number):
    value = HOSTILE[number]

    mask = REDACTOR.mask_of(None, (value, {"password": "other-secret"}), {})
    shown, _ = REDACTOR.shown(None, (value,), {})
    kept = repr(REDACTOR.details({"x": value}, mask))

    # The neighbour's secret is found all the same.
    assert mask("other-secret") == MASK
    assert CANARY not in f"{shown!r} {kept}"


def test_hostile_objects_give_away_no_secret_that_lies_in_them():
    mask = REDACTOR.mask_of(None, (Hostile(), EvilList([{"password": "in-the-list"}])), {})

    assert mask(f"{CANARY} in-the-list") == f"{MASK} {MASK}"


# Size


def shared(depth: int) -> Any:
    value: Any = ["a", {"password": CANARY}]
    for _ in range(depth):
        value = [value, value]
    return value


def test_what_is_shared_is_looked_at_once():
    value = shared(50)

    assert REDACTOR.mask_of(None, (value,), {})(CANARY) == MASK
    assert len(repr(REDACTOR.details({"x": value}))) < 100_000
    assert len(repr(REDACTOR.shown(None, (value,), {}))) < 100_000


def test_ten_thousand_secrets_are_found_in_one_pass():
    secrets = [f"s{number:05d}#" for number in range(10_000)]
    mask = REDACTOR.mask_of(None, (), {"cookies": secrets})
    text = "".join(f"a perfectly normal line {number}\n" for number in range(8_000))

    masked = mask(f"{text}{secrets[0]} {secrets[-1]}")

    assert masked == f"{text}{MASK} {MASK}"


def test_what_cannot_be_searched_in_time_is_hidden():
    alike = [f"{'a' * length}b" for length in range(4, 240)]

    assert Mask(alike)("a" * 200_000) == MASK


def test_more_secret_text_than_can_be_looked_for_hides_all():
    mask = Mask([f"{number}{'x' * 100_000}" for number in range(30)])

    assert mask("anything") == MASK


def test_a_part_of_a_long_secret_is_a_secret():
    secret = "".join(f"{number:07d}" for number in range(30_000))
    mask = REDACTOR.mask_of(None, (), {"token": secret})

    for text in (f"bad {secret}", f"bad {secret[:9_000]}"):
        start = mask.part(text, 0, 8_000)
        assert start == f"bad {MASK}"


def test_secrets_that_overlap_leave_nothing_of_each_other():
    assert Mask(["abcdef", "defghi"])("abcdefghi!") == f"{MASK}!"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to postgresql://ada:hunter2@db/x", f"to postgresql://ada:{MASK}@db/x"),
        ("redis://:p@ss@host:6379/0", f"redis://:{MASK}@host:6379/0"),
        ("http://host:8080/x?mail=a@b", "http://host:8080/x?mail=a@b"),
        ('{"url": "http://host:80", "mail": "a@b"}', '{"url": "http://host:80", "mail": "a@b"}'),
        ("ssh://git@host/x", "ssh://git@host/x"),
    ],
)
def test_the_password_of_an_address_is_hidden_without_being_known(text, masked):
    assert Mask()(text) == masked


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 1, tzinfo=UTC),
        timedelta(1),
        Decimal("1.5"),
        UUID(int=1),
        PurePosixPath("/x"),
        ip_address("::1"),
        range(3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_of_pythons_own_library_are_shown_as_it_writes_them(value):
    shown, _ = REDACTOR.shown(None, (value, [value]), {})

    assert [repr(one) for one in shown] == [repr(value), repr([value])]


def test_values_that_hold_no_secret_stay_as_they_are():
    text = "control \x1b[31m\u2028 \ud800 characters"
    kept = REDACTOR.details({"text": text, "data": {"n": [1, 2.5, None, (b"x",)]}})
    shown, _ = REDACTOR.shown(None, (text,), {})

    assert kept == {"text": text, "data": {"n": [1, 2.5, None, (b"x",)]}}
    assert repr(shown[0]) == repr(text)
