"""Which classes a registered function makes known."""

import enum
import re
import sys
import types as stdlib_types
from collections.abc import Callable, Sequence  # noqa: F401  (named in a text)
from dataclasses import dataclass, make_dataclass
from functools import partial
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NewType,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)

import pytest
from pydantic import BaseModel, create_model

from fastapi_taskflow.exceptions import ConfigurationError, PayloadUnreadable
from fastapi_taskflow.models import TaskConfig
from fastapi_taskflow.rules.codec import TypeTable, decode, encode
from fastapi_taskflow.rules.codec.typetable import moved
from fastapi_taskflow.rules.registry import TaskRegistry

if TYPE_CHECKING:
    from nowhere import Invisible  # type: ignore[import-not-found]

T = TypeVar("T")


class Wanted(enum.Enum):
    A = 1


@dataclass
class Box(Generic[T]):
    content: T


class Envelope(BaseModel, Generic[T]):
    content: T


@dataclass
class Holder:
    inner: "list[Wanted]"


class Model(BaseModel):
    inner: dict[str, Wanted | None]


def holding(*classes):
    table = TypeTable()
    for cls in classes:
        table.add(cls)
    return table


class Typed(TypedDict):
    inner: Wanted


Renamed = NewType("Renamed", Wanted)
Bound = TypeVar("Bound", bound=Wanted)
Constrained = TypeVar("Constrained", Wanted, Holder)


class Unrelated(enum.Enum):
    A = 1


@pytest.mark.parametrize(
    "hint",
    [
        Wanted,
        "Wanted",
        Wanted | None,
        Optional[Wanted],  # noqa: UP045  (another form of it)
        Union[int, Wanted],  # noqa: UP007
        list[Wanted],
        list["Wanted"],
        "Sequence[tuple[Wanted, ...]]",
        dict[str, list[set[Wanted]]],
        Annotated[Wanted, object()],
        Annotated[list[Annotated[Wanted, "x"]], {}],
        Literal[Wanted.A, 3],
        Callable[[Wanted], int],
        type[Wanted],
        Renamed,
        Bound,
        Constrained,
        Typed,
        Holder,
        list[Holder],
        Model,
        Box[Wanted],
        Box[list[Wanted]],
        Envelope[Wanted],
    ],
    ids=lambda hint: re.sub(" at 0x[0-9a-f]+", "", str(hint)),
)
def test_a_class_is_reached_through(hint):
    def func(argument): ...

    func.__annotations__ = {"argument": hint}
    table = TypeTable()
    table.note(func)

    name = table.name_of(Wanted)

    assert name == f"{__name__}:Wanted"
    assert table.find(name) is Wanted
    assert table.name_of(Unrelated) is None
    assert table.find(f"{__name__}:Unrelated") is None


def test_a_generic_class_is_reached_itself():
    def func(one: Box[int], other: Envelope[int]): ...

    table = TypeTable()
    table.note(func)

    assert table.name_of(Box) == f"{__name__}:Box"
    assert table.name_of(Envelope[int]) == f"{__name__}:Envelope[int]"


def test_reading_by_name_first_finds_it_too():
    def func(argument: Wanted): ...

    table = TypeTable()
    table.note(func)

    assert table.find(f"{__name__}:Wanted") is Wanted


def test_the_returned_class_is_reached():
    def func() -> Wanted:
        return Wanted.A

    table = TypeTable()
    table.note(func)

    assert table.name_of(Wanted) is not None


def test_annotations_of_every_kind_of_callable_are_read():
    class Call:
        def __call__(self, argument: Wanted): ...

        def method(self, argument: Wanted): ...

    for func in (Call(), Call().method, partial(Call().method), partial(Call())):
        table = TypeTable()
        table.note(func)
        assert table.name_of(Wanted) is not None, func


def test_an_annotation_may_name_what_is_defined_later(monkeypatch):
    def func(argument): ...

    func.__annotations__ = {"argument": "Later"}

    table = TypeTable()
    table.note(func)
    assert table.find(f"{__name__}:Later") is None

    later = make_dataclass("Later", [("inner", Wanted)], namespace={"__module__": __name__})
    monkeypatch.setitem(globals(), "Later", later)

    assert table.name_of(later) is not None
    assert table.name_of(Wanted) is not None


def test_a_field_may_name_what_is_defined_later(monkeypatch):
    holder = make_dataclass("Early", [("inner", "LaterInner")], namespace={"__module__": __name__})
    table = TypeTable()
    table.add(holder)
    assert table.find(f"{__name__}:LaterInner") is None

    later = make_dataclass("LaterInner", [], namespace={"__module__": __name__})
    monkeypatch.setitem(globals(), "LaterInner", later)

    assert table.name_of(later) is not None


def test_a_model_may_name_what_is_defined_later(monkeypatch):
    class Early(BaseModel):
        inner: "LaterModel"  # noqa: F821  (it is the point)

    table = TypeTable()
    table.add(Early)
    assert table.find(f"{__name__}:LaterModel") is None

    later = type("LaterModel", (BaseModel,), {"__module__": __name__})
    monkeypatch.setitem(globals(), "LaterModel", later)

    assert table.name_of(later) is not None


def test_an_annotation_that_cannot_be_resolved_does_not_hide_the_others():
    def func(one: "Invisible", other: "Wanted", third: "1 / 0", fourth: "[") -> "Invisible": ...  # noqa: F722

    table = TypeTable()
    table.note(func)

    assert table.name_of(Wanted) is not None


def test_a_field_that_cannot_be_resolved_does_not_hide_the_others():
    broken = make_dataclass(
        "Broken", [("a", "Invisible"), ("b", "Wanted")], namespace={"__module__": __name__}
    )
    table = TypeTable()
    table.add(broken)

    assert table.name_of(broken) is not None
    assert table.name_of(Wanted) is not None


def test_annotations_may_name_classes_of_the_enclosing_function():
    class Local(enum.Enum):
        A = 1

    def func(argument: "list[Local]"):
        return Local

    func.__annotations__ = {"argument": "list[Local]"}
    table = TypeTable()
    table.note(func)

    assert table.name_of(Local) is not None


def test_classes_that_contain_each_other_are_read_once():
    @dataclass
    class Node:
        children: "list[Node]"
        wanted: Wanted

    Node.__annotations__["children"] = list[Node]
    table = TypeTable()

    table.add(Node)

    assert table.name_of(Node) is not None
    assert table.name_of(Wanted) is not None


def test_registration_never_fails_for_an_annotation():
    def func(argument: "no such thing(") -> Any: ...  # noqa: F722  (it is the point)

    registry = TaskRegistry()
    registry.register(func, TaskConfig())

    assert registry.types.name_of(Wanted) is None


@pytest.mark.parametrize("started", ["__main__", "__mp_main__"])
def test_a_class_of_the_started_program_has_the_name_by_which_others_import_it(
    monkeypatch, started
):
    main = stdlib_types.ModuleType(started)
    monkeypatch.setitem(sys.modules, started, main)
    order = make_dataclass("Order", [], namespace={"__module__": started})

    def name(**attributes):
        vars(main).update(attributes)
        table = TypeTable()
        table.add(order)
        return table.name_of(order)

    assert name(__spec__=None) == f"{started}:Order"
    assert name(__file__="/srv/shop.py") == "shop:Order"
    assert name(__spec__=stdlib_types.SimpleNamespace(name="apps.shop")) == "apps.shop:Order"


# One name, two classes


@dataclass
class Parcel:
    grams: int


def other_module(name: str, **field_types: Any) -> Any:
    return make_dataclass("Parcel", list(field_types.items()), namespace={"__module__": name})


def colours() -> Any:
    class Colour(enum.Enum):
        A = 1

    return Colour


def noted(**tasks: Any) -> TypeTable:
    table = TypeTable()
    for name, hint in tasks.items():

        def func(argument): ...

        func.__annotations__ = {"argument": hint}
        table.note(func, name)
    return table


def test_a_generic_model_is_named_after_all_of_its_parameters():
    elsewhere = other_module("elsewhere", cents=int)
    table = noted(one=Envelope[Parcel], other=Envelope[elsewhere], deep=Envelope[list[elsewhere]])

    names = [table.name_of(Envelope[kind]) for kind in (Parcel, elsewhere, list[elsewhere])]

    assert names == [
        f"{__name__}:Envelope[{__name__}:Parcel]",
        f"{__name__}:Envelope[elsewhere:Parcel]",
        f"{__name__}:Envelope[list[elsewhere:Parcel]]",
    ]
    assert [table.find(name) for name in names if name] == [
        Envelope[Parcel],
        Envelope[elsewhere],
        Envelope[list[elsewhere]],
    ]


def test_a_generic_model_is_found_by_the_name_that_was_stored_earlier():
    table = noted(task=Envelope[Parcel])

    assert table.find(f"{__name__}:Envelope[Parcel]") is Envelope[Parcel]


def test_the_name_of_a_generic_model_holds_no_address():
    kind = Envelope[Annotated[int, object()]]

    assert "0x" not in (noted(task=kind).name_of(kind) or "0x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (colours(), colours()),
        (create_model("Row", a=(int, ...)), create_model("Row", b=(int, ...))),
        (create_model("Row", a=(int, ...)), create_model("Row", a=(int, ...))),
        (other_module("a", x=int), other_module("a", x=int)),
    ],
    ids=["enums", "other fields", "equal fields", "one module name"],
)
def test_two_tasks_may_mean_two_classes_by_one_name(one, other):
    table = noted(first=one, second=other)
    first, second = table.of("first"), table.of("second")

    name = first.name_of(one)

    assert name is not None
    assert second.name_of(other) == name
    assert first.find(name) is one
    assert second.find(name) is other
    assert first.name_of(other) is second.name_of(one) is None
    # Whoever mentions neither cannot say which one is meant.
    assert table.of("third").name_of(one) is None
    assert table.of("third").find(name) is None


def test_one_task_may_take_two_classes_of_one_name():
    one, other = colours(), colours()
    view = noted(task=dict[one, other]).of("task")

    names = [view.name_of(one), view.name_of(other)]

    assert names[1] == f"{names[0]}#2"
    assert [view.find(name) for name in names if name] == [one, other]


def test_a_class_of_another_task_is_known_where_its_name_is_free():
    table = noted(first=Parcel, second=Wanted)

    assert table.of("second").name_of(Parcel) == f"{__name__}:Parcel"
    assert table.of("second").find(f"{__name__}:Parcel") is Parcel


def test_a_function_that_is_loaded_again_means_its_newer_classes():
    one, other = colours(), colours()
    table = noted(task=one)

    def again(argument): ...

    again.__annotations__ = {"argument": other}
    table.note(again, "task")
    name = table.of("task").name_of(other)

    assert name is not None
    assert table.of("task").find(name) is other
    assert table.of("task").name_of(one) is None
    assert table.of("elsewhere").name_of(other) == name


def test_two_classes_are_not_registered_under_one_name():
    table = TypeTable()
    table.add(create_model("Row", a=(int, ...)))

    with pytest.raises(ConfigurationError, match=r"one with a, and one with b, c"):
        table.add(create_model("Row", b=(int, ...), c=(int, ...)))


def test_a_registered_class_that_is_loaded_again_takes_its_place(monkeypatch):
    older = make_dataclass("Again", ["x"], namespace={"__module__": __name__})
    monkeypatch.setitem(globals(), "Again", older)
    table = TypeTable()
    table.add(older)

    newer = table.add(make_dataclass("Again", ["x", "y"], namespace={"__module__": __name__}))

    assert table.find(f"{__name__}:Again") is newer
    assert table.name_of(older) is None


def test_a_class_that_moved_is_found_at_its_old_place(monkeypatch):
    old = stdlib_types.ModuleType("shop_of_old")
    monkeypatch.setitem(sys.modules, old.__name__, old)
    stored = encode((Box(Wanted.A),), {}, holding(Box, Wanted)).replace(
        __name__.encode(), old.__name__.encode()
    )
    new = holding(Box, Wanted)
    with pytest.raises(PayloadUnreadable, match=r"'shop_of_old:Box' .* import it at its old place"):
        decode(stored, new)

    old.Box, old.Wanted = Box, Wanted

    assert decode(stored, new) == ((Box(Wanted.A),), {})


def test_what_a_module_has_by_a_stored_name_must_be_a_class_that_is_known(monkeypatch):
    def conjure(name):
        raise AssertionError(f"{name} was asked for")

    old = stdlib_types.ModuleType("shop_of_old")
    old.Box, old.func, old.__getattr__ = Box, conjure, conjure
    monkeypatch.setitem(sys.modules, old.__name__, old)
    types = holding(Wanted)

    for name in ("Box", "func", "missing", "Box.missing", "", "__class__"):
        assert moved(types, f"shop_of_old:{name}") is None
    for name in (":Box", "nowhere:Box", "Box", "", 7, None):
        assert moved(types, name) is None
