"""What is paused beside queues: functions, order keys and tags.

Each is a stored setting, as a queue's is, under a name that no queue can have; so it holds on every
instance and after a restart. It goes when it is resumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

__all__ = ["NO_PAUSES", "Pauses", "is_kept", "pause_name", "paused_thing"]

# Names of queues are printable.
_MARK = "\x1f"
_KINDS = "function", "key", "tag"


def pause_name(kind: str, value: str) -> str:
    """Under which the pause of a function, a key or a tag (``name:value``) is stored."""
    return f"{_MARK}{kind}{_MARK}{value}"


def paused_thing(name: str) -> tuple[str, str] | None:
    """Kind and value of such a name; None: it is a queue's."""
    if not name.startswith(_MARK):
        return None
    _, kind, value = name.split(_MARK, 2)
    return kind, value


def is_kept(name: str, settings: Mapping[str, Any]) -> bool:
    """The settings say something: those of what is no queue do while it is paused."""
    return not name.startswith(_MARK) or bool(settings.get("paused"))


class Pauses(NamedTuple):
    """What is paused. Tasks with one of these keys or tags are passed over by claims."""

    queues: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    tags: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """Of the names under which something is paused."""
        queues, found = set[str](), {kind: set[str]() for kind in _KINDS}
        for name in names:
            thing = paused_thing(name)
            if thing is None:
                queues.add(name)
            elif thing[0] in found:
                found[thing[0]].add(thing[1])
        tags = frozenset((key, value) for key, _, value in (t.partition(":") for t in found["tag"]))
        return cls(frozenset(queues), frozenset(found["function"]), frozenset(found["key"]), tags)

    @property
    def pick(self) -> bool:
        """Tasks of one function and queue are not alike: each has to be looked at."""
        return bool(self.keys or self.tags)

    def hold(self, func_name: str, order_key: str | None, tags: Mapping[str, str]) -> bool:
        """No such task starts, whatever its queue."""
        if func_name in self.functions or order_key in self.keys:
            return True
        return bool(self.tags) and not self.tags.isdisjoint(tags.items())

    def holding(
        self, func_name: str, order_key: str | None, tags: Mapping[str, str]
    ) -> Iterator[str]:
        """What of such a task is paused, as people call it: ``function send``."""
        if func_name in self.functions:
            yield f"function {func_name}"
        if order_key in self.keys:
            yield f"key {order_key}"
        yield from (f"tag {name}:{value}" for name, value in self.tags & tags.items())


NO_PAUSES = Pauses()
