"""What would not come back is refused at the door, with the place and what to do."""

import io
import re
import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, make_dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, HttpUrl, SecretStr, field_validator

from fastapi_taskflow.exceptions import TaskArgumentError
from fastapi_taskflow.rules.codec import MAX_DEPTH, Callee, TypeTable, decode, encode
from tests.rules.shapes import Frozen, Plain, table

TYPES = table()


class Bag(dict[str, int]):
    pass


class Opaque:
    """A callable that tells nothing of its parameters."""

    __signature__ = "nothing"

    def __call__(self, value): ...


def refusal(value, types=TYPES):
    with pytest.raises(TaskArgumentError) as caught:
        encode((value,), {}, types)
    return str(caught.value)


def subclass_of(base, *args, **kwargs):
    return type(f"My{base.__name__}", (base,), {})(*args, **kwargs)


@pytest.mark.parametrize(
    "value",
    [
        *(object(), len, str.join, int, sys, ..., 1j, range(3), iter([]), bytearray(b"a")),
        *(memoryview(b"a"), io.BytesIO(), ValueError("x"), threading.Lock(), re.compile("a")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_another_type_is_refused(value):
    message = refusal(value)

    assert message.startswith("Cannot store args[0]: found ")
    assert type(value).__qualname__ in message
    assert "; pass " in message


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (subclass_of(str, "a"), "str"),
        (subclass_of(int, 1), "int"),
        (subclass_of(float, 1), "float"),
        (subclass_of(bytes, b"a"), "bytes"),
        (subclass_of(dict), "dict"),
        (subclass_of(list), "list"),
        (subclass_of(set), "set"),
        (OrderedDict(), "dict"),
        (defaultdict(list), "dict"),
        (Counter(), "dict"),
        (subclass_of(tuple), "tuple"),
        (subclass_of(deque), "deque"),
        (subclass_of(time), "time"),
        (subclass_of(timedelta), "timedelta"),
        (subclass_of(IPv4Address, "10.0.0.1"), "IPv4Address"),
        (subclass_of(HttpUrl, "https://a.example"), "HttpUrl"),
        (subclass_of(Decimal, 1), "Decimal"),
        (subclass_of(UUID, int=1), "UUID"),
        (dataclass(Bag)(), "dict"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_subclass_is_refused_because_its_base_would_come_back(value, base):
    assert f"come back as a plain {base}" in refusal(value)


def test_a_subclass_is_refused_as_a_key_and_in_a_long_payload():
    key = subclass_of(str, "k")

    assert "(key <Mystr>)" in refusal({key: 1})
    with pytest.raises(TaskArgumentError, match="plain str"):
        encode(("x" * 10_000, key), {}, TYPES)


@pytest.mark.parametrize(
    ("args", "kwargs", "place"),
    [
        ((1, object()), {}, "args[1]"),
        ((), {"to": object()}, "kwargs['to']"),
        (([1, [2, object()]],), {}, "args[0][1][1]"),
        (({"when": {"x": object()}},), {}, "args[0]['when']['x']"),
        (({1: object()},), {}, "args[0][1]"),
        (({(1, 2): object()},), {}, "args[0][<tuple>]"),
        (({1: 2, object(): 3},), {}, "args[0](key <object>)"),
        ((Plain(1, parts=[{"a": object()}]),), {}, "args[0].parts[0]['a']"),
        ((), {"o": Frozen(key=Frozen(key=object()))}, "kwargs['o'].key.key"),
        (((object(),),), {}, "args[0][0]"),
        (({"k" * 99: object()},), {}, "args[0]['" + "k" * 40 + "...']"),
    ],
)
def test_the_message_leads_to_the_place(args, kwargs, place):
    with pytest.raises(TaskArgumentError) as caught:
        encode(args, kwargs, TYPES)

    assert str(caught.value).startswith(f"Cannot store {place}: found builtins.object,")


@pytest.mark.parametrize(
    ("args", "kwargs", "place"),
    [
        (([1, object()],), {}, "order[1]"),
        ((1, Plain(1, parts=[object()])), {}, "price.parts[0]"),
        ((1, 2, 3, [object()]), {}, "rest[1][0]"),
        ((1,), {"price": {"net": object()}}, "price['net']"),
        ((1,), {"note": object()}, "note"),
        ((1,), {"not a name": object()}, "kwargs['not a name']"),
    ],
)
def test_the_message_names_the_task_and_the_parameter(args, kwargs, place):
    def buy(order, /, price, *rest, **more): ...

    with pytest.raises(TaskArgumentError) as caught:
        encode(args, kwargs, TYPES, callee=Callee("shop.buy", buy))

    assert str(caught.value).startswith(f"Cannot store {place} of task 'shop.buy': found")


def test_an_argument_too_many_is_named_by_its_position():
    with pytest.raises(TaskArgumentError, match=r"Cannot store args\[1\] of task"):
        encode((1, object()), {}, TYPES, callee=Callee("one", lambda one: one))
    with pytest.raises(TaskArgumentError, match=r"Cannot store args\[0\] of task"):
        encode((object(),), {}, TYPES, callee=Callee("opaque", Opaque()))


def test_the_largest_argument_is_named_where_there_is_too_much():
    def send(address, body): ...

    with pytest.raises(TaskArgumentError, match=r"task 'send' take .* most of them in body,"):
        encode(("a",), {"body": "b" * 300}, TYPES, max_bytes=200, callee=Callee("send", send))


def test_the_message_does_not_show_values():
    class Secret:
        def __repr__(self):
            pytest.fail("a value was shown")

    assert "Secret" in refusal({"password": Secret()})


def test_values_that_contain_themselves_are_refused():
    loop: list[object] = []
    loop.append(loop)

    assert f"nested more than {MAX_DEPTH} deep" in refusal(loop)


WRAPS = {
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "pairs": lambda inner: {1: inner},
    "object": lambda inner: {"k": inner},
    "dataclass": lambda inner: Plain(1, parts=inner),
}


def test_a_key_deeper_than_allowed_is_refused():
    key: object = ()
    for _ in range(MAX_DEPTH - 3):
        key = (key,)
    encode(({key: 1},), {}, TYPES)

    assert "deep" in refusal({(key,): 1})


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_values_deeper_than_allowed_are_refused(wrap):
    value = None
    for _ in range(MAX_DEPTH):
        value = wrap(value)

    assert f"nested more than {MAX_DEPTH} deep" in refusal(value)


def test_arguments_over_the_limit_are_refused_with_both_sizes():
    payload = encode(("x" * 100,), {}, TYPES)

    assert encode(("x" * 100,), {}, TYPES, max_bytes=len(payload)) == payload
    with pytest.raises(TaskArgumentError, match=rf"{len(payload)} bytes.* {len(payload) - 1}\."):
        encode(("x" * 100,), {}, TYPES, max_bytes=len(payload) - 1)


def test_the_limit_is_256_kib_unless_told():
    with pytest.raises(TaskArgumentError, match="limit is 262144"):
        encode(("x" * 262_144,), {}, TYPES)


def test_a_zone_that_has_no_name_is_refused():
    with Path("/usr/share/zoneinfo/Europe/Berlin").open("rb") as file:
        nameless = ZoneInfo.from_file(file)

    assert "use ZoneInfo(name)" in refusal(datetime(2026, 1, 1, tzinfo=nameless))


def test_a_zone_without_an_offset_is_refused():
    class Nowhere(tzinfo):
        def utcoffset(self, moment):
            return None

    assert "without an offset" in refusal(datetime(2026, 1, 1, tzinfo=Nowhere()))


def test_an_offset_of_a_foreign_class_is_stored_as_a_fixed_one():
    class Odd(tzinfo):
        def utcoffset(self, moment):
            return timedelta(minutes=7)

        def dst(self, moment):
            return None

    moment = datetime(2026, 1, 1, tzinfo=Odd())

    (back,), _ = decode(encode((moment,), {}, TYPES), TYPES)

    assert back == moment
    assert back.utcoffset() == timedelta(minutes=7)


def test_an_error_while_a_value_is_read_is_a_refusal():
    class Trap(tzinfo):
        def utcoffset(self, moment):
            raise RuntimeError("trap")

    assert "Cannot store args[0]: RuntimeError" in refusal(datetime(2026, 1, 1, tzinfo=Trap()))


# Classes


def test_a_class_that_no_task_mentions_is_refused_with_the_way_out():
    local_class = make_dataclass("LocalClass", ["x"])
    types = TypeTable()

    assert "register_type(LocalClass)" in refusal(local_class(1), types)

    types.add(local_class)
    assert decode(encode((local_class(1),), {}, types), types) == ((local_class(1),), {})


def test_an_instance_of_an_unmentioned_subclass_is_refused():
    @dataclass
    class Special(Plain):
        extra: int = 0

    assert "no registered task mentions" in refusal(Special(1))


def test_a_class_whose_name_was_taken_by_another_is_refused():
    types = TypeTable()
    older, newer = (types.add(make_dataclass("Twin", ["x"])) for _ in range(2))

    assert "another class of that name" in refusal(older(1), types)
    assert decode(encode((newer(1),), {}, types), types) == ((newer(1),), {})


def test_a_dataclass_whose_constructor_refuses_its_own_values_is_refused():
    @dataclass
    class Picky:
        value: str

        def __post_init__(self):
            if self.value.isupper():
                raise ValueError("the secret value is upper")
            self.value = self.value.upper()

    types = TypeTable()
    types.add(Picky)

    message = refusal(Picky("a"), types)

    assert "cannot be built from its own values (ValueError)" in message
    assert "secret" not in message


def test_a_model_whose_validators_refuse_its_own_values_is_refused():
    class Split(BaseModel):
        parts: list[str]

        @field_validator("parts", mode="before")
        @classmethod
        def split(cls, value):
            return value.split(",")

    types = TypeTable()
    types.add(Split)

    assert "cannot be built from its own values" in refusal(Split(parts="a,b"), types)


def test_a_model_made_without_validation_is_refused_if_it_is_not_valid():
    class Number(BaseModel):
        value: int

    types = TypeTable()
    types.add(Number)

    assert "cannot be built" in refusal(Number.model_construct(value="many"), types)


def test_a_secret_is_refused_rather_than_stored_or_masked():
    class Login(BaseModel):
        password: SecretStr

    types = TypeTable()
    types.add(Login)

    assert "args[0].password: found pydantic.types.SecretStr" in refusal(
        Login(password=SecretStr("x")), types
    )


def test_a_private_attribute_that_cannot_be_stored_is_named():
    class Holder(BaseModel):
        x: int = 1
        _lock: object = None

        def model_post_init(self, context):
            self._lock = threading.Lock()

    types = TypeTable()
    types.add(Holder)

    assert "args[0]._lock: found _thread.lock" in refusal(Holder(), types)


def test_a_dict_that_changes_while_it_is_read_is_refused():
    grown: dict[object, object] = {}

    class Member(Enum):
        A = 1

    class Growing(TypeTable):
        __slots__ = ()

        def name_of(self, cls):
            grown[len(grown)] = 1
            return "x:Member"

    grown[Member.A] = 1

    assert "RuntimeError while reading it" in refusal(grown, Growing())


def test_utc_is_no_foreign_zone():
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    assert decode(encode((moment,), {}, TYPES), TYPES)[0][0].tzinfo is UTC
