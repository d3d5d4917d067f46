"""Whoever can write to the store can at most make a payload unreadable."""

import inspect
import json
import pickle
import random
import sys
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastapi_taskflow.exceptions import PayloadUnreadable
from fastapi_taskflow.rules.codec import TypeTable, decode, encode
from fastapi_taskflow.rules.codec.scalars import SCALAR_READERS
from tests.rules.shapes import Address, Colour, Frozen, Plain, calls, table

TYPES = table()
THIS = "tests.rules.shapes"

# What importing, evaluating, unpickling or reaching out of the process would raise.
FORBIDDEN = {
    *("import", "exec", "compile", "open", "marshal.loads", "pickle.find_class"),
    *("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect"),
    *("ctypes.dlopen", "object.__setattr__", "sys._getframe"),
}
watched: list[str] | None = None


def _hook(event: str, _arguments: object) -> None:
    if watched is not None and event in FORBIDDEN:
        watched.append(event)


# Hooks cannot be taken away; this one does nothing unless `watching`.
sys.addaudithook(_hook)


@contextmanager
def watching() -> Iterator[list[str]]:
    global watched  # noqa: PLW0603  (the hook cannot be given arguments)
    events = watched = []
    try:
        yield events
    finally:
        watched = None


@pytest.fixture(scope="module", autouse=True)
def _warm():
    """The names of time zones are read from files once."""
    moment = datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    decode(encode((moment,), {}, TYPES), TYPES)


class Evil:
    def __reduce__(self):
        return (eval, ("__import__('os').system('true')",))


def node(kind, **rest):
    return json.dumps([1, [{"$": kind, **rest}], {}]).encode()


def tagged(kind, value):
    return node(kind, v=value)


HOSTILE = {
    "nothing": b"",
    "pickle": pickle.dumps(Evil()),
    "pickle, protocol 0": pickle.dumps(Evil(), protocol=0),
    "marshal": b"\xe3\x00\x00\x00",
    "text": b"hello",
    "python": b"__import__('os').system('true')",
    "null": b"null",
    "number": b"1",
    "string": b'"abc"',
    "object": b"{}",
    "empty list": b"[]",
    "too short": b"[1,[]]",
    "too long": b"[1,[],{},[]]",
    "other version": b"[2,[],{}]",
    "no version": b"[null,[],{}]",
    "swapped": b"[1,{},[]]",
    "three characters": b'"abc"',
    "args is text": b'[1,"ab",{}]',
    "args is a tagged tuple": b'[1,{"$":"tuple","v":[]},{}]',
    "kwargs is a list": b"[1,[],[]]",
    "kwargs is null": b"[1,[],null]",
    "kwargs with another key": b'[1,[],{"$":"dict","v":[1,2]}]',
    "kwargs is a set": b'[1,[],{"$":"set","v":[]}]',
    "trailing": b"[1,[],{}]x",
    "comma": b"[1,[1,],{}]",
    "not utf-8": b'[1,["\xff"],{}]',
    "byte order mark": b"\xef\xbb\xbf[1,[],{}]",
    "utf-16": "[1,[],{}]".encode("utf-16"),
    "nan": b"[1,[NaN],{}]",
    "infinity": b"[1,[Infinity],{}]",
    "lone surrogate": b'[1,["\\ud800"],{}]',
    "huge integer": b"[1,[" + b"9" * 1_000_000 + b"],{}]",
    "10 MB of lists": b"[" * 5_000_000 + b"]" * 5_000_000,
    "10 MB of objects": b'{"a":' * 1_600_000 + b"1" + b"}" * 1_600_000,
    "deep": b"[1,[" + b"[" * 500 + b"]" * 500 + b"],{}]",
    "deep tuples": b"[1,[" + b'{"$":"tuple","v":[' * 300 + b"]}" * 300 + b"],{}]",
    "null kind": node(None),
    "number kind": node(1),
    "list kind": node(["tuple"]),
    "object kind": node({"$": "tuple"}),
    "unknown kind": tagged("object", []),
    "python kind": tagged("__import__", ["os"]),
    "py/object": b'[1,[{"$":"py/object","v":"os.system"}],{}]',
    "no value": node("tuple"),
    "tuple of text": tagged("tuple", "abc"),
    "tuple of object": tagged("tuple", {"a": 1}),
    "set of lists": tagged("set", [[1]]),
    "frozenset of dicts": tagged("frozenset", [{}]),
    "odd pairs": tagged("dict", [1, 2, 3]),
    "list as key": tagged("dict", [[1], 2]),
    "dict of text": tagged("dict", "ab"),
    "int of null": tagged("int", None),
    "int of number": tagged("int", 1.5),
    "int of text": tagged("int", "zz"),
    "float of text": tagged("float", "many"),
    "float of list": tagged("float", [1]),
    "bytes of bad base64": tagged("bytes", "!!!"),
    "bytes of number": tagged("bytes", 10**9),
    "str of bad base64": tagged("str", "!"),
    "str of bad utf-8": tagged("str", "//8="),
    "date of text": tagged("date", "yesterday"),
    "date of number": tagged("date", 1),
    "datetime of text": tagged("datetime", "2026-13-01"),
    "datetime in a foreign zone": node("datetime", v="2026-01-01T00:00:00", z="os/path"),
    "datetime in a zone above": node("datetime", v="2026-01-01T00:00:00", z="../../etc/passwd"),
    "datetime in a package": node("datetime", v="2026-01-01T00:00:00", z="antigravity"),
    "datetime in a list": node("datetime", v="2026-01-01T00:00:00", z=["UTC"]),
    "datetime in null": node("datetime", v="2026-01-01T00:00:00", z=None),
    "time of text": tagged("time", "25:00"),
    "timedelta too long": tagged("timedelta", [10**12]),
    "timedelta of text": tagged("timedelta", "abc"),
    "timedelta of number": tagged("timedelta", 3),
    "decimal of text": tagged("decimal", "1,5"),
    "decimal of list": tagged("decimal", [0, [1], 2]),
    "uuid of text": tagged("uuid", "1234"),
    "uuid of list": tagged("uuid", [1]),
    "enum of an unknown class": node("enum", c="os:system", v="x"),
    "enum of a module": node("enum", c="antigravity", v="x"),
    "enum of no class": node("enum", v="RED"),
    "enum of a list": node("enum", c=["a"], v="RED"),
    "enum of another kind": node("enum", c=f"{THIS}:Plain", v="RED"),
    "enum of a generic class": node("enum", c=f"{THIS}:Box", v="RED"),
    "enum member unknown": node("enum", c=f"{THIS}:Colour", v="BLUE"),
    "enum by attribute": node("enum", c=f"{THIS}:Colour", v="__class__"),
    "enum by value": node("enum", c=f"{THIS}:Colour", v="red"),
    "flag of text": node("enum", c=f"{THIS}:Access", v="READ"),
    "flag out of range": node("enum", c=f"{THIS}:Access", v=1024),
    "dataclass unknown": node("dataclass", c="subprocess:Popen", v={"args": "true"}),
    "dataclass builtin": node("dataclass", c="builtins:eval", v={}),
    "dataclass that is an enum": node("dataclass", c=f"{THIS}:Colour", v={}),
    "dataclass that is a model": node("dataclass", c=f"{THIS}:Address", v={"street": "a"}),
    "dataclass with a foreign field": node("dataclass", c=f"{THIS}:Plain", v={"__class__": 1}),
    "dataclass with a method": node("dataclass", c=f"{THIS}:Plain", v={"number": 1, "__init__": 1}),
    "dataclass without a field": node("dataclass", c=f"{THIS}:Plain", v={}),
    "dataclass of a list": node("dataclass", c=f"{THIS}:Plain", v=[1]),
    "model unknown": node("model", c="os:environ", v={}, s=[]),
    "model that is a dataclass": node("model", c=f"{THIS}:Plain", v={"number": 1}, s=[]),
    "model with a wrong value": node("model", c=f"{THIS}:Address", v={"street": 1}, s=[]),
    "model without its fields": node("model", c=f"{THIS}:Address", v={}, s=[]),
    "model without fields set": node("model", c=f"{THIS}:Address", v={"street": "a"}),
    "model with unhashable fields set": node(
        "model", c=f"{THIS}:Address", v={"street": "a"}, s=[[1]]
    ),
    "model of a list": node("model", c=f"{THIS}:Address", v=[], s=[]),
    "model with wrong extra": node("model", c=f"{THIS}:Address", v={"street": "a"}, s=[], x=[1]),
    "model with wrong private": node("model", c=f"{THIS}:Address", v={"street": "a"}, s=[], p=[1]),
    "model of wrong json": node("model", c=f"{THIS}:Address", j={"street": []}, s=[]),
    "model of nested evil": node(
        "model", c=f"{THIS}:Address", v={"street": {"$": "dataclass", "c": "os:x", "v": {}}}, s=[]
    ),
    "root model without its root": node("model", c=f"{THIS}:Numbers", v={}, s=[]),
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_payload_is_unreadable_and_nothing_else(payload):
    modules = set(sys.modules)

    with watching() as events, pytest.raises(PayloadUnreadable) as caught:
        decode(payload, TYPES)

    assert events == []
    assert set(sys.modules) == modules
    assert str(caught.value).startswith("Stored arguments cannot be read: ")
    assert len(str(caught.value)) < 1_000


def test_the_watch_sees_what_it_must():
    """Without this, the test above could pass for want of a hook."""
    with watching() as events:
        pickle.loads(pickle.dumps(Evil()))  # noqa: S301  (it is the point)
        sys.modules.pop("colorsys", None)
        import colorsys  # noqa: F401, PLC0415

    assert {"pickle.find_class", "exec", "compile", "import", "open"} <= set(events)


@pytest.mark.parametrize("payload", [None, 3, "x", [1, [], {}], object()])
def test_what_is_not_even_bytes_is_unreadable(payload):
    with pytest.raises(PayloadUnreadable):
        decode(payload, TYPES)


def test_a_registered_class_is_unknown_to_another_table():
    payload = encode((Plain(1),), {}, TYPES)

    with pytest.raises(PayloadUnreadable, match="shapes:Plain' is not registered here"):
        decode(payload, TypeTable())


@given(st.binary(max_size=200))
@example(b'[1,[{"$":"tuple","v":[]}],{}]')
def test_any_bytes_are_read_or_unreadable(payload):
    try:
        args, kwargs = decode(payload, TYPES)
    except PayloadUnreadable:
        return
    assert isinstance(args, tuple)
    assert isinstance(kwargs, dict)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
kinds = st.sampled_from(
    [
        *SCALAR_READERS,
        "tuple",
        "set",
        "deque",
        "namedtuple",
        "dict",
        "enum",
        "dataclass",
        "model",
        "x",
    ]
)
names = st.sampled_from([f"{THIS}:{cls.__name__}" for cls in (Colour, Plain, Frozen, Address)])
nodes = st.recursive(
    junk,
    lambda inner: st.fixed_dictionaries(
        {"$": kinds, "v": inner | st.dictionaries(st.sampled_from(["key", "number"]), inner)},
        optional={"c": names, "z": junk, "f": junk, "s": junk, "x": inner, "p": inner, "j": inner},
    ),
    max_leaves=6,
)


@given(nodes, nodes)
def test_any_tree_is_read_or_unreadable(args, kwargs):
    payload = json.dumps([1, [args], {"a": kwargs}]).encode()
    with watching() as events:
        try:
            decode(payload, TYPES)
        except PayloadUnreadable:
            pass
        finally:
            found = list(events)
    assert found == []


@given(calls, st.randoms(use_true_random=False))
def test_a_damaged_payload_is_read_or_unreadable(call, chance: random.Random):
    args, kwargs = call
    damaged = bytearray(encode(args, kwargs, TYPES))
    for _ in range(chance.randint(1, 3)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)

    try:
        args, _ = decode(bytes(damaged), TYPES)
    except PayloadUnreadable:
        return
    assert isinstance(args, tuple)


def test_a_stack_that_is_nearly_full_makes_a_payload_unreadable_at_worst():
    payload = b"[1,[" + b'{"$":"tuple","v":[' * 90 + b"]}" * 90 + b"],{}]"

    decode(payload, TYPES)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len_of_stack() + 120)
    try:
        with pytest.raises(PayloadUnreadable, match="RecursionError"):
            decode(payload, TYPES)
    finally:
        sys.setrecursionlimit(limit)


def len_of_stack() -> int:
    frame, length = inspect.currentframe(), 0
    while frame is not None:
        frame, length = frame.f_back, length + 1
    return length
