"""Enums, dataclasses and pydantic models come back as they were."""

from dataclasses import InitVar, dataclass, field, fields, make_dataclass
from datetime import UTC, date, datetime
from enum import Enum, IntFlag
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from pydantic import (
    AliasChoices,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    PrivateAttr,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from fastapi_taskflow.exceptions import PayloadUnreadable, TaskArgumentError
from fastapi_taskflow.rules.codec import TypeTable, decode, encode
from tests.rules.shapes import (
    Access,
    Address,
    Colour,
    Computed,
    Customer,
    Kind,
    NotIdempotent,
    Numbers,
    Plain,
    Size,
    Strict,
    WithInitVar,
    sketch,
    table,
)

TYPES = table()


def back(value, types=TYPES):
    (found,), _ = decode(encode((value,), {}, types), types)
    return found


def types_of(*classes):
    types = TypeTable()
    for cls in classes:
        types.add(cls)
    return types


# Enums


@pytest.mark.parametrize("member", [Colour.RED, Access.READ, Access.ALL, Access(0)], ids=repr)
def test_a_member_comes_back_as_the_same_object(member):
    assert back(member) is member


def test_an_enum_with_a_value_that_cannot_be_stored_comes_back():
    class Odd(Enum):
        THING = object()

    assert back(Odd.THING, types_of(Odd)) is Odd.THING


def test_a_combination_of_flags_with_unknown_bits_comes_back():
    class Bits(IntFlag):
        ONE = 1

    assert back(Bits(5), types_of(Bits)) == Bits(5)


# Dataclasses


def test_computed_and_hidden_fields_come_back():
    value = Computed(3, hidden=7)
    value.doubled = 1_000

    found = back(value)

    assert sketch(found) == sketch(value)
    # The constructor ran: what is no field is there too.
    assert found.helper is not None


def test_a_constructor_that_changes_its_fields_does_not_change_them_again():
    assert back(NotIdempotent("a")).text == "a!"


def test_fields_come_back_also_where_the_constructor_needs_more_than_them():
    assert back(WithInitVar(5, value=1)) == WithInitVar(5, value=1)


def test_a_dataclass_with_a_constructor_of_its_own_comes_back():
    @dataclass(init=False)
    class Own:
        x: int

        def __init__(self, everything: str) -> None:
            self.x = len(everything)

    value = Own("abc")

    assert back(value, types_of(Own)) == value


def test_an_init_var_with_a_default_lets_the_constructor_run():
    @dataclass
    class Defaulted:
        x: int
        factor: InitVar[int] = 2

        def __post_init__(self, factor: int) -> None:
            self.helper = factor

    assert back(Defaulted(1), types_of(Defaulted)).helper == 2


def test_a_field_that_was_never_set_is_not_set_again():
    @dataclass
    class Lazy:
        x: int
        y: int = field(init=False)

    found = back(Lazy(1), types_of(Lazy))

    assert found.x == 1
    assert not hasattr(found, "y")


@pytest.mark.parametrize("options", [{"frozen": True}, {"slots": True}, {"kw_only": True}], ids=str)
def test_a_dataclass_of_any_form_comes_back(options):
    cls = make_dataclass("Form", [("a", int), ("b", Any, field(default=None))], **options)

    assert back(cls(a=1, b=[(2,)]), types_of(cls)) == cls(a=1, b=[(2,)])


def test_a_pydantic_dataclass_comes_back():
    @pydantic_dataclass
    class Checked:
        when: date
        number: int = Field(default=1, alias="no")

    value = Checked(when="2026-01-01", no=3)

    assert back(value, types_of(Checked)) == value


def test_a_field_that_the_class_lost_makes_the_payload_unreadable():
    wide = make_dataclass("Shrunk", [("a", int), ("b", int)])
    narrow = make_dataclass("Shrunk", [("a", int)])
    payload = encode((wide(1, 2),), {}, types_of(wide))

    with pytest.raises(PayloadUnreadable, match="Shrunk has no field 'b'"):
        decode(payload, types_of(narrow))


def test_a_field_that_the_class_gained_has_its_default():
    narrow = make_dataclass("Grown", [("a", int)])
    wide = make_dataclass("Grown", [("a", int), ("b", int, field(default=7))])
    payload = encode((narrow(1),), {}, types_of(narrow))

    assert decode(payload, types_of(wide)) == ((wide(1, 7),), {})


def test_a_required_field_that_the_class_gained_makes_the_payload_unreadable():
    narrow = make_dataclass("Grown", [("a", int)])
    wide = make_dataclass("Grown", [("a", int), ("b", int)])
    payload = encode((narrow(1),), {}, types_of(narrow))

    with pytest.raises(PayloadUnreadable, match="'b'"):
        decode(payload, types_of(wide))


def test_what_a_class_says_of_a_stored_value_steers_no_terminal():
    def refuse(self):
        raise ValueError(f"not a name: {self.name}")

    kind = make_dataclass("Named", [("name", str)])
    strict = make_dataclass("Named", [("name", str)], namespace={"__post_init__": refuse})
    payload = encode((kind("\x1b[2Jada"),), {}, types_of(kind))

    with pytest.raises(PayloadUnreadable, match=r"not a name: ada\.$"):
        decode(payload, types_of(strict))


# Pydantic models


def customer(**changes):
    return Customer(
        fullName="Ada", address={"street": "s"}, joined="2026-01-01T00:00:00Z", **changes
    )


def test_every_part_of_a_model_comes_back():
    value = customer(colours={"red"}, secret=3, anything=(1, {2}), more=[b"x"])
    value.see(5)

    found = back(value)

    assert sketch(found) == sketch(value)
    assert found.seen == 5
    assert found.more == [b"x"]


def test_which_fields_were_set_comes_back():
    assert back(customer()).model_fields_set == {"name", "address", "joined"}
    assert back(Address(street="a")).model_dump(exclude_unset=True) == {"street": "a"}


def test_a_strict_model_comes_back():
    value = Strict(when=date(2026, 1, 1), pairs=((1, b"a"), (2, b"b")))

    assert sketch(back(value)) == sketch(value)


def test_a_model_with_a_nan_comes_back():
    value = Strict(when=date(2026, 1, 1), pairs=(), ratio=float("nan"))

    assert sketch(back(value)) == sketch(value)


def test_a_root_model_comes_back():
    assert back(Numbers([1, 2])) == Numbers([1, 2])


def test_aliases_do_not_matter():
    class Aliased(BaseModel):
        a: int = Field(validation_alias=AliasChoices("x", "y"), serialization_alias="z")
        b: int = Field(alias="a")

    value = Aliased(x=1, a=2)

    assert b'"v":{"a":1,"b":2}' in encode((value,), {}, types_of(Aliased))
    assert sketch(back(value, types_of(Aliased))) == sketch(value)


def test_a_model_that_arranges_its_input_comes_back():
    class Arranged(BaseModel):
        first: str
        last: str

        @model_validator(mode="before")
        @classmethod
        def split(cls, data):
            return (
                dict(zip(("first", "last"), data.split(), strict=True))
                if isinstance(data, str)
                else data
            )

    value = Arranged.model_validate("Ada Lovelace")

    assert back(value, types_of(Arranged)) == value


def test_a_model_whose_validators_change_its_own_values_comes_back_as_it_was():
    class Growing(BaseModel):
        model_config = ConfigDict(extra="allow")

        count: int
        inner: Any = None

        @field_validator("count")
        @classmethod
        def grow(cls, value):
            return value + 1

    types = types_of(Growing)

    assert back(Growing(count=1), types).count == 2
    assert sketch(back(Growing(count=1, inner=Growing(count=5), more=[1]), types)) == sketch(
        Growing(count=1, inner=Growing(count=5), more=[1])
    )


def test_private_attributes_set_up_by_the_model_itself_come_back_as_they_were():
    class Counting(BaseModel):
        _count: int = PrivateAttr(default=0)

        def model_post_init(self, context: Any) -> None:
            self._count += 1

        def count(self, to: int | None = None) -> int:
            self._count = self._count if to is None else to
            return self._count

    value = Counting()
    value.count(40)

    assert back(value, types_of(Counting)).count() == 40


def test_fields_of_types_that_only_pydantic_knows_come_back():
    class Link(BaseModel):
        size: ByteSize
        url: HttpUrl
        host: IPv4Address
        path: Path
        when: datetime
        unset: int = 0

    value = Link(
        size="1 KB", url="https://a.example/x", host="127.0.0.1", path="a/b", when=datetime.now(UTC)
    )
    outer = make_dataclass("Outer", [("links", list[Link])])

    found = back(outer([value]), types_of(outer))

    assert found == outer([value])
    assert type(found.links[0].url) is HttpUrl
    assert type(found.links[0].size) is ByteSize
    assert found.links[0].model_fields_set == {"size", "url", "host", "path", "when"}


def test_a_model_whose_own_json_form_loses_something_is_refused():
    class Lossy(BaseModel):
        size: ByteSize
        anything: Any = None
        words: set[Any] = set()
        part: Plain | None = None

    types = types_of(Lossy)

    assert back(Lossy(size=5, anything=[1, "a"]), types).anything == [1, "a"]
    for lost in ((1, 2), Colour.RED, Kind.MAIL, [Kind.MAIL], {1: 2}, {"a": Size.LARGE}, b"\xff"):
        with pytest.raises(TaskArgumentError, match="size: found pydantic"):
            encode((Lossy(size=5, anything=lost),), {}, types)
    for lost in ({"words": {Kind.MAIL}}, {"part": Plain(1, label=Kind.MAIL)}):
        with pytest.raises(TaskArgumentError, match="size: found pydantic"):
            encode((Lossy(size=5, **lost),), {}, types)


def test_a_model_checks_what_the_store_says():
    payload = encode((Address(street="a"),), {}, TYPES).replace(b'"street":"a"', b'"street":[1]')

    with pytest.raises(PayloadUnreadable, match=r"Address refuses them: street: ") as caught:
        decode(payload, TYPES)
    assert "[1]" not in str(caught.value)


def test_fields_of_the_test_classes_are_what_they_seem():
    """`sketch` looks at fields: a class without any would make every test above pass."""
    assert [len(fields(cls)) for cls in (Plain, Computed, NotIdempotent, WithInitVar)] == [
        3,
        3,
        1,
        1,
    ]
