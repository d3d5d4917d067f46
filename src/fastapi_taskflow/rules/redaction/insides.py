"""What is inside of a value, seen without running any code of its class.

Properties send SQL, mappings load what they lack, proxies wake up when they are asked for
their class: so a class is never asked. Containers of Python are gone through with Python's
own methods, also where a subclass has others; of all other objects it is the attributes that
count, as they lie in ``__dict__`` and in slots. Only a mapping that keeps nothing there is asked
for its members.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from types import GetSetDescriptorType, MappingProxyType, MemberDescriptorType, ModuleType
from typing import Any, NamedTuple

import pydantic
from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic_core import MultiHostUrl, Url

from fastapi_taskflow.words.plain import ATOMS, module_of, mro_of, namespace_of

__all__ = ["Inside", "Pair", "inside", "is_text_like", "text_of"]

Pair = tuple[Any, Any]

_MOST_CALLS = 1_000

# Objects of these kinds have attributes that are not theirs to hold.
_CODE = (type, ModuleType, type(len), type(lambda: None), property, staticmethod, classmethod)
# What SQLAlchemy hangs on a row: the way to its session and all other rows.
_NOT_DATA = frozenset({"_sa_instance_state", "__weakref__"})
_SECRET_BASES: tuple[type, ...] = (SecretStr, SecretBytes, getattr(pydantic, "Secret", SecretStr))
_LISTS: tuple[type, ...] = (
    list, tuple, set, frozenset, deque, type({}.items()), type({}.keys()), type({}.values()),
)  # fmt: skip


class Inside(NamedTuple):
    """The members of a value.

    Attributes:
        form: ``"dict"``, ``"list"``, ``"fields"`` or ``"secret"``.
        pairs: Each with its name; of a list the names are None.
    """

    form: str
    pairs: list[Pair]


def inside(value: Any, most: int) -> Inside | None:
    """The first ``most`` members of a value; None if nothing of it can be seen."""
    kind: Any = type(value)
    look = _look_of(kind)
    return None if look is None else look(value, most)


def is_text_like(cls: type) -> bool:
    """Its objects are written by Python's library or by pydantic, at once."""
    return cls in _WRITTEN or module_of(cls) in _WRITTEN_MODULES


def text_of(value: Any) -> str | None:
    """A value of one part as text; None if it would take code of its class."""
    kind = type(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if issubclass(kind, int):
        return int.__repr__(value)
    if issubclass(kind, float):
        return float.__repr__(value)
    return str(value) if is_text_like(kind) else None


Look = Callable[[Any, int], Inside]


# By class, because nearly all values are of a few.
@lru_cache(maxsize=4096)
def _look_of(cls: Any) -> Look | None:
    if issubclass(cls, _CODE) or cls in ATOMS:
        return None
    if issubclass(cls, dict):
        return _of_dict
    for base in _LISTS:
        if issubclass(cls, base):
            return _of_named_tuple(cls) if base is tuple else _of_list(base)
    if cls is MappingProxyType:
        return _of_proxy
    if issubclass(cls, _SECRET_BASES):
        return _of_secret
    if issubclass(cls, str | int | float | bytes | bytearray) or is_text_like(cls):
        return None
    look = _of_state(cls)
    # One that keeps nothing where it can be seen, as those written in C.
    return _of_mapping if look is None and issubclass(cls, Mapping) else look


def _of_dict(value: Any, most: int) -> Inside:
    return Inside("dict", list(islice(dict.items(value), most)))


def _of_mapping(value: Any, most: int) -> Inside:
    # The one place where methods of a value are called; few times, and errors are the caller's.
    names = islice(value, min(most, _MOST_CALLS))
    return Inside("dict", [(name, value[name]) for name in names])


def _of_list(base: type) -> Look:
    def look(value: Any, most: int) -> Inside:
        # Python's own, also where a subclass has another.
        members = base.__iter__(value)  # type: ignore[attr-defined]
        return Inside("list", [(None, one) for one in islice(members, most)])

    return look


def _of_named_tuple(cls: type) -> Look:
    names = _found(cls, "_fields")
    if not isinstance(names, tuple) or not all(type(name) is str for name in names):
        return _of_list(tuple)

    def look(value: Any, most: int) -> Inside:
        return Inside("fields", list(islice(zip(names, tuple.__iter__(value), strict=False), most)))

    return look


def _of_proxy(value: Any, most: int) -> Inside:
    # Through the proxy the methods of what it stands for would run.
    return inside(gc.get_referents(value)[0], most) or Inside("fields", [])


def _of_secret(value: Any, most: int) -> Inside:  # noqa: ARG001
    return Inside("secret", [(None, object.__getattribute__(value, "_secret_value"))])


def _of_state(cls: type) -> Look | None:
    attributes = [own["__dict__"] for own in _dicts(cls) if "__dict__" in own]
    dictionary = next((one for one in attributes if type(one) is GetSetDescriptorType), None)
    slots = [
        (name, member)
        for own in reversed(_dicts(cls))
        if "__slots__" in own
        for name, member in own.items()
        if type(member) is MemberDescriptorType and name not in _NOT_DATA
    ]
    if dictionary is None and not slots:
        return None
    pydantic_model = issubclass(cls, BaseModel)

    def look(value: Any, most: int) -> Inside:
        state = {} if dictionary is None else dictionary.__get__(value)
        pairs = [pair for pair in islice(state.items(), most) if pair[0] not in _NOT_DATA]
        for name, member in slots:
            try:
                held = member.__get__(value)
            except AttributeError:  # nothing was put there
                continue
            if not pydantic_model:
                pairs.append((name, held))
            elif type(held) is dict:
                # What came beside the fields, and what is private.
                pairs += islice(held.items(), most)
        return Inside("fields", pairs[:most])

    return look


# Modules whose classes are written at once; a subclass of theirs has another module.
_WRITTEN_MODULES = frozenset({
    "datetime", "decimal", "fractions", "ipaddress", "pathlib", "pathlib._local",
    "pydantic.networks", "uuid", "zoneinfo",
})  # fmt: skip
_WRITTEN = frozenset[type]({Url, MultiHostUrl, complex, range})


def _dicts(cls: type) -> list[Mapping[str, Any]]:
    return [namespace_of(one) for one in mro_of(cls)]


def _found(cls: type, name: str) -> Any:
    return next((own[name] for own in _dicts(cls) if name in own), None)
