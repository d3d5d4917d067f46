"""What a caller may say of one task beside its arguments, and whether it can be said.

This is the one door: whatever passes it can be kept by every store and sorted by every queue,
so one caller's mistake is that caller's error, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from fastapi_taskflow.rules.calls import TaskCall, bound, parted
from fastapi_taskflow.rules.registry import Registered, TaskRegistry
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["NO_OPTIONS", "Options", "asked"]

# What MySQL can index as text.
_KEY_LIMIT = 255
# SECURITY, exhaustion.
_MOST_TAGS = 16
_TAG_LIMIT = 128


class Options(NamedTuple):
    """What a caller may say of one task beside its arguments.

    ``delay`` is in seconds, ``run_at`` in UTC. All values are plain and within their limits;
    see `asked`.
    """

    idempotency_key: str | None = None
    tags: Mapping[str, str] | None = None
    priority: int | None = None
    queue: str | None = None
    delay: float = 0.0
    run_at: datetime | None = None
    eager: bool | None = None
    source: str = "manual"
    retry_of: str | None = None
    replace_original: bool = False

    @property
    def is_later(self) -> bool:
        """The task has a time before which it may not start."""
        return self.delay > 0 or self.run_at is not None

    def due(self, now: datetime) -> datetime | None:
        """When the task may start; None: at once."""
        return now + timedelta(seconds=self.delay) if self.delay else self.run_at


NO_OPTIONS = Options()


def asked(
    registry: TaskRegistry,
    func: Callable[..., Any] | TaskCall,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    given: Mapping[str, Any] | None,
) -> tuple[Registered, TaskCall, Options]:
    """What ``add_task(func, *args, **kwargs)`` with some options asks for.

    Args:
        given: The keyword arguments with names of options. Those that the function has as
            parameters are the function's, unless ``func`` is a `TaskCall`.

    Raises:
        TaskArgumentError: no function, arguments that do not fit its parameters, or an option
            that cannot be.
    """
    call = bound(func, args, kwargs, registry.names)
    registered = registry.find(call.func) or registry.adopt(call.func)
    options = NO_OPTIONS
    if given:
        if call is not func:
            call, given = parted(registered.own_options, call, given)
        options = _checked(registered.name, given)
    if registered.shape is not None:
        registered.shape.check(registered.name, call.args, call.kwargs)
    return registered, call, options


def _checked(task: str, given: Mapping[str, Any]) -> Options:
    """The options as plain values; None says that there is none."""
    found = {
        option: _CHECKS[option](f"Task {task!r}: {option}", value)
        for option, value in given.items()
        if value is not None
    }
    if "delay" in found and "run_at" in found:
        raise TaskArgumentError(f"Task {task!r}: give delay or run_at, not both.")
    return Options(**found)


def _tags(what: str, tags: Any) -> dict[str, str]:
    """The tags in a dictionary of their own, scalar values as text."""
    try:
        found = issubclass(type(tags), Mapping)
        items = list(islice(tags.items(), _MOST_TAGS + 1)) if found else []
    # Code of the mapping's own, or of its class's.
    except BaseException as exc:
        raise TaskArgumentError(f"{what} cannot be read ({type(exc).__name__}).") from exc
    if not found:
        raise limits.wrong(what, "a mapping of names to values", tags, TaskArgumentError)
    if len(items) > _MOST_TAGS:
        raise TaskArgumentError(
            f"{what} takes at most {_MOST_TAGS} of them. Give what is more as arguments."
        )
    texts: dict[str, str] = {}
    for name, value in items:
        kept = _text(f"{what}: a name", name)
        text = _as_text(what, kept, value)
        # An empty one says "none".
        texts[kept] = text and _text(f"{what}: {quoted(kept)}", text)
    return texts


_text = partial(limits.text, most=_TAG_LIMIT, error=TaskArgumentError)


def _as_text(what: str, name: str, value: object) -> str:
    """A tag's value as text: of an Enum its value, of a date its ISO form."""
    try:
        if issubclass(type(value), Enum):
            value = object.__getattribute__(value, "_value_")
        for scalar, form in _FORMS.items():
            if issubclass(type(value), scalar):
                return form(value)
    # An integer of thousands of digits, or a time zone's own code.
    except BaseException as exc:
        raise TaskArgumentError(
            f"{what}: {quoted(name)} cannot be written as text ({type(exc).__name__})."
        ) from exc
    expected = "text, a number, a date, a UUID or an Enum of these"
    raise limits.wrong(f"{what}: {quoted(name)}", expected, value, TaskArgumentError)


# The forms of these classes themselves, so that no code of a subclass runs.
_FORMS: dict[type, Callable[[Any], str]] = {
    str: str.__str__,
    bool: bool.__repr__,
    int: int.__repr__,
    float: float.__repr__,
    UUID: UUID.__str__,
    Decimal: Decimal.__str__,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
}

_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "idempotency_key": partial(limits.text, most=_KEY_LIMIT, error=TaskArgumentError),
    "tags": _tags,
    "priority": partial(limits.whole, error=TaskArgumentError),
    "queue": partial(limits.printable, error=TaskArgumentError),
    "delay": partial(limits.span, error=TaskArgumentError),
    "run_at": partial(limits.moment, error=TaskArgumentError),
    "eager": partial(limits.switch, error=TaskArgumentError),
}
