"""What a caller may say of one task beside its arguments, and whether it can be said.

This is the one door: whatever passes it can be kept by every store and sorted by every queue,
so one caller's mistake is that caller's error, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from fastapi_taskflow.rules.calls import TaskCall, bound, parted
from fastapi_taskflow.rules.registry import Registered, TaskRegistry
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.pacing import BURST_SPANS, THROTTLE
from fastapi_taskflow.words.quoting import quoted
from fastapi_taskflow.words.scalars import scalar_text

__all__ = ["NO_OPTIONS", "Options", "asked"]

# What MySQL can index as text.
_KEY_LIMIT = 255
# SECURITY, exhaustion.
_MOST_TAGS = 16
_TAG_LIMIT = 128
# Ten of them are a delay.
_LONGEST_SPAN_SECONDS = limits.LONGEST_DELAY_SECONDS / BURST_SPANS
# What an option is not given with, and why.
_ALONE = {
    "debounce": {
        "delay": "it says when the task starts",
        "run_at": "it says when the task starts",
        "eager": "it says when the task starts",
        "throttle": "one puts a task off, the other drops it",
    },
    "throttle": {"idempotency_key": "it is a key of its own"},
}


class Options(NamedTuple):
    """What a caller may say of one task beside its arguments.

    ``delay`` is in seconds, ``run_at`` in UTC; ``session`` is the caller's, for his own
    transaction, whatever he gave. All other values are plain and within their limits;
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
    session: Any = None
    debounce: float = 0.0
    throttle: float = 0.0

    @property
    def is_later(self) -> bool:
        """The task has a time before which it may not start, or will have."""
        return self.delay > 0 or self.run_at is not None or self.is_paced

    @property
    def is_paced(self) -> bool:
        """The store has to decide whether there will be a task."""
        return self.debounce > 0 or self.throttle > 0

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
    for option, others in _ALONE.items():
        beside = [other for other in others if found.get(option) and found.get(other)]
        if beside:
            raise TaskArgumentError(
                f"Task {task!r}: give {option} or {beside[0]}, not both; {others[beside[0]]}."
            )
    return Options(**found)


def _idempotency_key(what: str, value: object) -> str:
    found = limits.text(what, value, most=_KEY_LIMIT, error=TaskArgumentError)
    if found.startswith(THROTTLE):
        raise TaskArgumentError(f"{what} takes no text that begins with {THROTTLE!r}.")
    return found


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
        text = scalar_text(f"{what}: {quoted(kept)}", value)
        # An empty one says "none".
        texts[kept] = text and _text(f"{what}: {quoted(kept)}", text)
    return texts


_text = partial(limits.text, most=_TAG_LIMIT, error=TaskArgumentError)


_span = partial(limits.span, above=True, most=_LONGEST_SPAN_SECONDS, error=TaskArgumentError)


_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "idempotency_key": _idempotency_key,
    "tags": _tags,
    "priority": partial(limits.whole, error=TaskArgumentError),
    "queue": partial(limits.printable, error=TaskArgumentError),
    "delay": partial(limits.span, error=TaskArgumentError),
    "run_at": partial(limits.moment, error=TaskArgumentError),
    "eager": partial(limits.switch, error=TaskArgumentError),
    "session": lambda _, value: value,
    "debounce": _span,
    "throttle": _span,
}
