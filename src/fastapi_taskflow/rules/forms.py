"""A function's parameters as a form: what may be typed for each, and what stands there now.

A value is shown as JSON, and only if the JSON that is typed back unchanged gives the same value
again, of the same types. What has no such form, and what is secret, is kept as it is unless all of
it is replaced. What is typed is checked by pydantic against the parameter's annotation.
"""

from __future__ import annotations

import inspect
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from inspect import Parameter
from typing import Any, Literal, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from fastapi_taskflow.rules.codec.hints import hints_by_name
from fastapi_taskflow.words.errors import TaskflowError
from fastapi_taskflow.words.limits import near
from fastapi_taskflow.words.texts import clean

__all__ = ["Fault", "Field", "Form", "Kind", "Unfit", "form_of"]

Kind = Literal["one", "list", "object"]
Place = tuple[str | int, ...]

# More than anybody edits in a page.
_MOST_CHARACTERS = 64 * 1024
# Functions of a program, and some that tests make.
_FORMS = 256
# Bytes need not be text.
_AS_BASE64 = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
_NAMELESS = frozenset({Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL})
_KINDS: Mapping[Any, Kind] = {Parameter.VAR_POSITIONAL: "list", Parameter.VAR_KEYWORD: "object"}


class Fault(NamedTuple):
    """What is wrong with an argument; ``place`` begins with its name."""

    place: Place
    message: str


class Unfit(TaskflowError, ValueError):
    """Arguments that do not fit their function's parameters. HTTP 422.

    Attributes:
        faults: At least one.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            "; ".join(f"{'.'.join(map(str, one.place))}: {one.message}" for one in self.faults)
        )


class Field(NamedTuple):
    """One parameter. ``adapter`` is None where pydantic does not know its type.

    ``kind``: a ``list`` is ``*args``, an ``object`` is ``**kwargs``. ``default`` is JSON;
    None: there is none, or none that JSON can say.
    """

    name: str
    kind: Kind
    required: bool
    default: str | None
    schema: dict[str, Any] | None
    adapter: TypeAdapter[Any] | None

    def written(self, value: Any, same: Callable[[Any, Any], bool]) -> str | None:
        """The value as JSON; None if it would not come back as it is.

        Args:
            same: Two values are equal, in their types too.
        """
        if self.adapter is None:
            return None
        try:
            text = self.adapter.dump_json(value, warnings="error").decode()
            unchanged = same(value, self.adapter.validate_json(text))
        # Serialisers, validators and comparisons of the user's classes.
        except Exception:
            return None
        return text if unchanged and len(text) <= _MOST_CHARACTERS else None

    def read(self, typed: Any) -> Any:
        """The value that plain JSON values mean.

        Raises:
            Unfit: none that the parameter takes.
        """
        if self.adapter is None:
            raise Unfit([Fault((self.name,), "Its type cannot be written as JSON; leave it out.")])
        try:
            return self.adapter.validate_json(json.dumps(typed))
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise Unfit(
                Fault((self.name, *one["loc"]), clean(one["msg"])) for one in found
            ) from error
        # Validators of the user's may raise anything.
        except Exception as error:
            message = f"It cannot be read ({type(error).__name__})."
            raise Unfit([Fault((self.name,), message)]) from error


class Form:
    """The fields of one function, in their order."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self._signature = inspect.signature(func, follow_wrapped=False)
        hints = hints_by_name(func)
        self.fields = {
            name: _field(one, hints.get(name, Any))
            for name, one in self._signature.parameters.items()
        }

    def given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by parameter.

        Raises:
            Unfit: the function has changed since, and does not take them any more.
        """
        try:
            return dict(self._signature.bind_partial(*args, **kwargs).arguments)
        except TypeError as error:
            raise Unfit([Fault((), f"The function does not take them now: {error}.")]) from error

    def changed(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], typed: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A call's arguments with some of them replaced.

        Raises:
            Unfit: a name that no parameter has, or a value that one does not take.
        """
        given, faults = self.given(args, kwargs), list[Fault]()
        for name, value in typed.items():
            try:
                given[name] = self._field(name).read(value)
            except Unfit as error:
                faults += error.faults
        missing = [one for one in self.fields.values() if one.required and one.name not in given]
        faults += [Fault((one.name,), "It is required.") for one in missing]
        if faults:
            raise Unfit(faults)
        return self._call(given)

    def _call(self, given: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call that gives these; what can only be given at its place needs all before it."""
        parameters, names = self._signature.parameters, list(self.fields)
        nameless = [
            place
            for place, name in enumerate(names)
            if name in given and parameters[name].kind in _NAMELESS
        ]
        defaults = {name: parameters[name].default for name in names[: max(nameless, default=0)]}
        arguments = {**defaults, **given}
        ordered = OrderedDict((name, arguments[name]) for name in names if name in arguments)
        bound = inspect.BoundArguments(self._signature, ordered)
        return bound.args, bound.kwargs

    def _field(self, name: str) -> Field:
        if name in self.fields:
            return self.fields[name]
        message = f"The function has no such parameter.{near(name, self.fields)}"
        raise Unfit([Fault((clean(name),), clean(message))])


@lru_cache(_FORMS)
def form_of(func: Callable[..., Any]) -> Form:
    """The form of a function."""
    return Form(func)


def _field(parameter: Parameter, hint: Any) -> Field:
    kind = _KINDS.get(parameter.kind, "one")
    adapter = _adapter(hint, kind)
    required = kind == "one" and parameter.default is Parameter.empty
    field = Field(parameter.name, kind, required, None, _schema(adapter), adapter)
    if required or kind != "one":
        return field
    default = field.written(parameter.default, lambda one, other: bool(one == other))
    return field._replace(default=default)


def _adapter(hint: Any, kind: Kind) -> TypeAdapter[Any] | None:
    for config in (_AS_BASE64, None):
        try:
            return TypeAdapter(_whole(hint, kind), config=config)
        except PydanticUserError as error:
            if error.code != "type-adapter-config-unused":
                return None
        # Annotations are the user's expressions, and may be anything.
        except Exception:
            return None
    return None


def _whole(hint: Any, kind: Kind) -> Any:
    if kind == "one":
        return hint
    return tuple[hint, ...] if kind == "list" else dict[str, hint]


def _schema(adapter: TypeAdapter[Any] | None) -> dict[str, Any] | None:
    try:
        return None if adapter is None else adapter.json_schema()
    # Some types can be read and written, and not described.
    except Exception:
        return None
