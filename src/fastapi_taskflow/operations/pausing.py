"""Pausing a queue, a function, an order key or a tag, on every instance and over restarts."""

from __future__ import annotations

from typing import NamedTuple

from fastapi_taskflow.backends.rules.pausing import pause_name, paused_thing
from fastapi_taskflow.operations import queueing
from fastapi_taskflow.operations.desk import ANONYMOUS, Desk
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.quoting import quoted

__all__ = ["PAUSE_LIMIT", "Pause", "pause", "pauses", "resume"]

# With what it is stored under it stays within what every store can index.
PAUSE_LIMIT = 240


class Pause(NamedTuple):
    """What is paused: ``kind`` is ``queue``, ``function``, ``key`` or ``tag``."""

    kind: str
    value: str


async def pause(
    desk: Desk,
    queue: str | None = None,
    *,
    func_name: str | None = None,
    key: str | None = None,
    tag: str | None = None,
    actor: str = ANONYMOUS,
) -> None:
    """Start nothing more of it, on any instance, until `resume`. What runs goes on.

    A function, a key or a tag holds tasks that are stored before they run: durable ones, and those
    with a limit, a rate or a key. Others start at once where they were added.

    Args:
        queue: By name; exactly one of these.
        func_name: A function, by its task name.
        key: An order key as records show it, ``customer:7``.
        tag: ``name:value``, the emergency brake for one customer.

    Raises:
        QueueNotFound: no such queue.
        ConfigurationError: none or several are given, or one that cannot be.
    """
    await _set(desk, _one(queue, func_name, key, tag), actor, paused=True)


async def resume(
    desk: Desk,
    queue: str | None = None,
    *,
    func_name: str | None = None,
    key: str | None = None,
    tag: str | None = None,
    actor: str = ANONYMOUS,
) -> None:
    """Let what is paused go on. Arguments and errors as of `pause`."""
    await _set(desk, _one(queue, func_name, key, tag), actor, paused=False)


async def pauses(desk: Desk) -> list[Pause]:
    """All that is paused, by kind and name."""
    signals = await desk.engine.backend.signals(desk.engine.instance_id)
    names = [name for name, settings in signals.queues.items() if settings.get("paused")]
    return sorted(Pause(*(paused_thing(name) or ("queue", name))) for name in names)


def _one(queue: object, func_name: object, key: object, tag: object) -> Pause:
    given = {"queue": queue, "function": func_name, "key": key, "tag": tag}
    found = [(kind, value) for kind, value in given.items() if value is not None]
    if len(found) != 1:
        raise ConfigurationError(
            f"pause and resume take one of queue, func_name, key and tag, got {len(found)}."
        )
    kind, value = found[0]
    if kind == "queue":
        return Pause(kind, value if isinstance(value, str) else str(value))
    text = limits.text(kind, value, most=PAUSE_LIMIT, error=ConfigurationError)
    if kind == "tag" and ":" not in text:
        raise ConfigurationError(f"tag takes 'name:value', got {quoted(text)}.")
    return Pause(kind, text)


async def _set(desk: Desk, one: Pause, actor: str, *, paused: bool) -> None:
    if one.kind == "queue":
        await (queueing.pause if paused else queueing.resume)(desk, one.value, actor=actor)
        return
    engine = desk.engine
    with engine.queues.changing():
        await engine.backend.set_queue(pause_name(*one), {"paused": paused})
    signals = await engine.backend.signals(engine.instance_id)
    engine.queues.apply(signals.queues)
    engine.hints.hint()
    target = f"{one.kind} {one.value}"
    await desk.note("pause" if paused else "resume", target, actor, {"paused": paused})
