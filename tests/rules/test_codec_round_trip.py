"""What is stored comes back equal and of the same type."""

import json
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretBytes, SecretStr, TypeAdapter

from fastapi_taskflow.exceptions import TaskArgumentError
from fastapi_taskflow.rules.codec import (
    MAX_DEPTH,
    TypeTable,
    as_stored,
    decode,
    encode,
    fingerprint,
    is_fixed,
)
from tests.rules.shapes import (
    Access,
    Address,
    Anything,
    Colour,
    Labelled,
    Numbers,
    Plain,
    calls,
    leaves,
    plain,
    sketch,
    table,
)

TYPES = table()
BERLIN = ZoneInfo("Europe/Berlin")


@given(calls)
def test_arguments_come_back_equal_and_of_the_same_type(call):
    args, kwargs = call

    payload = encode(args, kwargs, TYPES)

    assert sketch(decode(payload, TYPES)) == sketch((args, kwargs))


@given(calls)
def test_a_payload_is_json_and_canonical(call):
    payload = encode(*call, TYPES)

    json.loads(payload, parse_constant=pytest.fail)
    assert encode(*decode(payload, TYPES), TYPES) == payload


@given(st.lists(plain).map(tuple), st.dictionaries(st.text(), plain))
def test_plain_arguments_need_no_types(args, kwargs):
    assert sketch(decode(encode(args, kwargs, TypeTable()), TypeTable())) == sketch((args, kwargs))


@given(st.text(max_size=9000), leaves)
def test_length_makes_no_difference(padding, value):
    """Long payloads are written by another walk than short ones."""
    args = (padding, value)

    assert sketch(decode(encode(args, {}, TYPES), TYPES)) == sketch((args, {}))


EDGES = [
    *(0.0, -0.0, 1.0, 1e22, 5e-324, 1.7976931348623157e308, float("-inf")),
    *(True, 1, 2**63, -(2**64), 10**617, 10**4299, 10**4300, -(10**20000)),
    *("", "\ud83d\ude00", "\U0001f600", "\udfff\ud800", "\u2028", '{"$":"int"}'),
    *((), ((),), [[]], {}, set(), frozenset(), b"", b"\x00\xff"),
    *({"$": 1}, {"$": "tuple", "v": []}, {"\ud800": 1}, {"": ""}, {1: 2, "1": 3, None: 4}),
    *({(1, (2,)): frozenset({(3,)})}, {b"k": {1.5: Decimal(1)}}, {True: 1}, {1: True}),
    *(Decimal("NaN"), Decimal("-Infinity"), Decimal("-0"), Decimal("1.00"), Decimal("1E+999")),
    *(timedelta.max, timedelta.min, timedelta(microseconds=-1)),
    *(
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        time(23, 59, 59, 999999, fold=1),
    ),
    datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=0),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1, seconds=1, microseconds=1))),
    time(1, tzinfo=BERLIN),
    time(1, tzinfo=timezone(timedelta(hours=-3))),
]


@pytest.mark.parametrize(
    "value", EDGES, ids=[f"{type(edge).__name__}-{n}" for n, edge in enumerate(EDGES)]
)
def test_an_edge_comes_back(value):
    assert sketch(decode(encode((value,), {}, TYPES), TYPES)) == sketch(((value,), {}))


@pytest.mark.parametrize("name", ["$", "v", "\ud800", "self", "func"])
def test_a_keyword_may_have_any_name(name):
    assert decode(encode((), {name: 1}, TYPES), TYPES) == ((), {name: 1})


def test_a_zone_comes_back_as_the_zone_and_not_as_its_offset():
    summer = datetime(2026, 7, 1, 12, tzinfo=BERLIN)

    (back,), _ = decode(encode((summer,), {}, TYPES), TYPES)

    assert back.tzinfo is BERLIN
    assert back + timedelta(days=180) == datetime(2026, 12, 28, 12, tzinfo=BERLIN)


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00-09:30"])
def test_a_time_from_a_request_body_can_be_stored(text):
    """Pydantic's own class of offsets is neither a ZoneInfo nor a `datetime.timezone`."""
    moment = TypeAdapter(datetime).validate_python(text)

    (back,), _ = decode(encode((moment,), {}, TYPES), TYPES)

    assert back == moment
    assert back.utcoffset() == moment.utcoffset()


def nested(container, depth):
    value = container(None)
    for _ in range(depth - 1):
        value = container(value)
    return value


CONTAINERS = {
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "object": lambda inner: {"k": inner},
    "pairs": lambda inner: {1: inner},
    "frozenset": lambda inner: frozenset({inner}),
    "dataclass": lambda inner: Plain(1, parts=inner),
    "model": lambda inner: Anything(value=inner),
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_values_as_deep_as_allowed_come_back(container):
    value = nested(container, MAX_DEPTH - 1)

    assert decode(encode((value,), {}, TYPES), TYPES) == ((value,), {})


def test_decoding_gives_new_objects():
    given_list = [1]

    (back,), _ = decode(encode((given_list,), {}, TYPES), TYPES)

    assert back is not given_list


STORED: dict[bytes, Any] = {
    b"[1,[],{}]": ((), {}),
    b'[1,["a",1,2.5,true,null,[1],{"k":[]}],{"n":1}]': (
        ("a", 1, 2.5, True, None, [1], {"k": []}),
        {"n": 1},
    ),
    b'[1,[{"k":{"$":"float","v":"nan"}}],{}]': (({"k": float("nan")},), {}),
    b'[1,[{"$":"tuple","v":[1,{"$":"set","v":[2,3]},{"$":"frozenset","v":[]}]}],{}]': (
        ((1, {2, 3}, frozenset()),),
        {},
    ),
    b'[1,[{"$":"dict","v":[1,2,"$",3]}],{}]': (({1: 2, "$": 3},), {}),
    b'[1,[{"$":"bytes","v":"AP8="},{"$":"str","v":"7aCA"}],{}]': ((b"\x00\xff", "\ud800"), {}),
    b'[1,[{"$":"datetime","f":1,"z":"Europe/Berlin","v":"2026-10-25T02:30:00"}],{}]': (
        (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),),
        {},
    ),
    b'[1,[{"$":"date","v":"2026-01-01"},{"$":"time","v":"01:00:00-03:00"}],{}]': (
        (date(2026, 1, 1), time(1, tzinfo=timezone(timedelta(hours=-3)))),
        {},
    ),
    b'[1,[{"$":"timedelta","v":[-1,86399,1]},{"$":"decimal","v":"1.50"}],{}]': (
        (timedelta(days=-1, seconds=86399, microseconds=1), Decimal("1.50")),
        {},
    ),
    b'[1,[{"$":"uuid","v":"00000000-0000-0000-0000-000000000001"}],{}]': ((UUID(int=1),), {}),
    b'[1,[{"$":"enum","c":"tests.rules.shapes:Colour","v":"RED"}],{}]': ((Colour.RED,), {}),
    b'[1,[{"$":"enum","c":"tests.rules.shapes:Access","v":3}],{}]': ((Access.ALL,), {}),
    b'[1,[{"$":"dataclass","c":"tests.rules.shapes:Plain","v":'
    b'{"number":1,"label":"x","parts":[]}}],{}]': ((Plain(1),), {}),
    b'[1,[{"$":"model","c":"tests.rules.shapes:Numbers","v":{"root":[1]},"s":["root"]}],{}]': (
        (Numbers([1]),),
        {},
    ),
    b'[1,[{"$":"model","c":"tests.rules.shapes:Address","v":'
    b'{"street":"s","number":null},"s":["street"]}],{}]': ((Address(street="s"),), {}),
}


@pytest.mark.parametrize("payload", STORED)
def test_what_was_stored_once_stays_readable(payload):
    """The format: payloads of older releases are in users' databases."""
    assert sketch(decode(payload, TYPES)) == sketch(STORED[payload])
    assert encode(*decode(payload, TYPES), TYPES) == payload


def test_the_json_form_of_models_is_still_read():
    payload = (
        b'[1,[{"$":"model","c":"tests.rules.shapes:Address","j":{"street":"s","number":null},'
        b'"s":["street"]}],{}]'
    )

    assert sketch(decode(payload, TYPES)) == sketch(((Address(street="s"),), {}))


plain_values = st.one_of(plain, st.binary())


@given(st.lists(plain_values).map(tuple), st.dictionaries(st.text(), plain_values))
def test_fixed_arguments_are_equal_to_what_would_come_back(args, kwargs):
    """So `as_stored` need not read them."""
    payload = encode(args, kwargs, TYPES)

    assert is_fixed(args, kwargs)
    assert sketch(as_stored(payload, args, kwargs, TYPES, "f")) == sketch(decode(payload, TYPES))


@given(calls)
def test_whatever_is_fixed_holds_nothing_that_can_be_changed(call):
    args, kwargs = call
    kinds = {type(value) for value in (*args, *kwargs.values())}

    assert is_fixed(args, kwargs) == (kinds <= {str, int, float, bool, bytes, type(None)})


@pytest.mark.parametrize(
    "value",
    [SecretStr("s3cret"), SecretStr("\ud800"), SecretBytes(b"\x00\xff"), [SecretStr("")]],
    ids=["text", "half a pair", "bytes", "in a list"],
)
def test_a_secret_comes_back_where_it_will_be_encrypted(value):
    payload = encode((value,), {}, TYPES, sealed=True)

    assert sketch(decode(payload, TYPES)) == sketch(((value,), {}))
    with pytest.raises(TaskArgumentError, match="encrypt_args_key"):
        encode((value,), {}, TYPES)


# A frozen clock, and the like


class FakeDate(date):
    """As freezegun and pendulum have them."""

    def __add__(self, span):
        return type(self).fromordinal(self.toordinal() + span.days)


class FakeDatetime(datetime):
    pass


class Nanoseconds(datetime):
    """As pandas has it."""

    def __eq__(self, other):
        return type(other) is Nanoseconds and datetime.__eq__(self, other)

    __hash__ = datetime.__hash__


@pytest.mark.parametrize(
    ("value", "plain_one"),
    [
        (FakeDate(2026, 1, 1), date(2026, 1, 1)),
        (FakeDatetime(2026, 1, 1, 1, 2, 3, 4, UTC), datetime(2026, 1, 1, 1, 2, 3, 4, UTC)),
        (
            FakeDatetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
            datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
        ),
    ],
    ids=["date", "datetime", "datetime in a zone"],
)
def test_a_subclass_of_a_date_comes_back_as_the_date_it_is(value, plain_one):
    found, _ = decode(encode((value, [value], {value: value}), {}, TYPES), TYPES)

    assert sketch(found) == sketch((plain_one, [plain_one], {plain_one: plain_one}))


def test_a_moment_that_is_more_than_a_datetime_is_refused():
    with pytest.raises(TaskArgumentError, match="not equal to any plain one"):
        encode((Nanoseconds(2026, 1, 1),), {}, TYPES)


def test_what_is_stored_is_read_while_the_clock_is_frozen(monkeypatch):
    """freezegun puts its classes in the place of the real ones in every module."""
    moments = (datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), FakeDatetime(2026, 1, 1))
    for module in ("scalars", "reader", "writer", "instances"):
        place = f"fastapi_taskflow.rules.codec.{module}"
        for name, fake in (("datetime", FakeDatetime), ("date", FakeDate)):
            if hasattr(sys.modules[place], name):
                monkeypatch.setattr(f"{place}.{name}", fake)

    found, _ = decode(encode(moments, {}, TYPES), TYPES)

    assert found == moments
    assert [type(each) for each in found] == [datetime, date, datetime]


# Fingerprints


def shuffled(value):
    """The same value with every dict filled the other way round."""
    if type(value) is dict:
        return {key: shuffled(item) for key, item in reversed(value.items())}
    if type(value) in (list, tuple):
        return type(value)(map(shuffled, value))
    return value


@given(calls)
def test_the_order_of_dicts_does_not_change_a_fingerprint(call):
    args, kwargs = call

    one = fingerprint("f", encode(args, kwargs, TYPES))
    other = fingerprint("f", encode(shuffled(args), shuffled(kwargs), TYPES))

    assert one == other
    assert len(one) == 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (((1,), {}), ((1.0,), {})),
        (((1,), {}), ((True,), {})),
        ((((1,),), {}), (([1],), {})),
        ((({1},), {}), ((frozenset({1}),), {})),
        (((1, 2), {}), ((2, 1), {})),
        (((1,), {}), ((), {"a": 1})),
        ((("a",), {}), ((b"a",), {})),
    ],
)
def test_fingerprints_tell_types_and_places_apart(one, other):
    assert fingerprint("f", encode(*one, TYPES)) != fingerprint("f", encode(*other, TYPES))


def test_fingerprints_tell_functions_apart():
    payload = encode((1,), {}, TYPES)

    assert fingerprint("f", payload) != fingerprint("g", payload)
    assert fingerprint("f", payload) == fingerprint("f", payload)


def test_the_order_within_a_dict_in_a_set_of_keys_does_not_matter():
    one = {(1, "a"): {"x": 1, "y": 2}, (2, "b"): {3: 4, 5: 6}}
    other = {(2, "b"): {5: 6, 3: 4}, (1, "a"): {"y": 2, "x": 1}}

    assert fingerprint("f", encode((one,), {}, TYPES)) == fingerprint(
        "f", encode((other,), {}, TYPES)
    )


def test_the_order_within_a_member_of_a_set_does_not_matter():
    one = {Labelled({"p": 1, "z": 1}), Labelled({"q": 1})}
    other = {Labelled({"q": 1}), Labelled({"z": 1, "p": 1})}
    assert one == other

    assert fingerprint("f", encode((one,), {}, TYPES)) == fingerprint(
        "f", encode((other,), {}, TYPES)
    )


@pytest.mark.parametrize("payload", [b"", b"\x80\x04", b"[", b"[" * 9_000], ids=len)
def test_what_is_no_payload_has_a_fingerprint_of_its_bytes(payload):
    assert fingerprint("f", payload) == fingerprint("f", payload)
    assert fingerprint("f", payload) != fingerprint("f", payload + b"x")
