"""Changing keys: everything in a store sealed anew under the newest one.

Works in batches beside running instances. Each value is replaced only if it is still the
one that was read, so what a task writes meanwhile wins; and what is under the newest key
already is left alone, so a rotation that was cut off is simply begun again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from fastapi_taskflow.backends.base import (
    Backend,
    Content,
    ContentField,
    HeldCall,
    Rewrite,
    ScheduleChange,
)
from fastapi_taskflow.backends.sealed.backend import SealedBackend
from fastapi_taskflow.backends.sealed.values import is_clear, resealed, resealed_schedule
from fastapi_taskflow.rules.crypto import Keyring, is_closed
from fastapi_taskflow.words.errors import ConfigurationError, SealUnopened

__all__ = ["Rotated", "rotate"]

_BATCH = 100


class Rotated(NamedTuple):
    """How far a rotation has come.

    ``replaced`` values are under the newest key now, that were not before. ``overtaken``
    ones changed meanwhile: run it again if older instances wrote them. ``unopened`` ones
    have a key that is missing here; they are left as they are, like ``clear`` ones, which
    were never sealed and were not to be. ``cursor`` is where to go on (None: at the end).
    """

    replaced: int
    overtaken: int
    unopened: int
    clear: int
    cursor: str | None


async def rotate(
    backend: Backend,
    keyring: Keyring,
    *,
    cursor: str | None = None,
    progress: Callable[[Rotated], None] = lambda _: None,
    seal_clear: Callable[[], bool] = lambda: True,
) -> Rotated:
    """Seal everything under the newest key.

    Args:
        backend: Gives contents as they are stored.
        cursor: Where an earlier rotation has come to; what it did is quickly passed anyway.
        progress: Told after each batch is stored.
        seal_clear: Asked at most once: whether to seal also what was never sealed.

    Raises:
        ConfigurationError: the backend is one that cannot.
    """
    rotation = backend.rotation
    if rotation is None:
        raise ConfigurationError(
            f"Keys cannot be changed in {backend.place}: it implements no Backend.rotation."
        )
    so_far = Rotated(0, 0, 0, 0, cursor)
    may_seal = cache(seal_clear)
    while True:
        page = await rotation.contents(limit=_BATCH, cursor=so_far.cursor)
        changes: list[Rewrite] = []
        unopened = clear = 0
        for content in page.found:
            if is_clear(content) and not may_seal():
                clear += 1
                continue
            try:
                new = resealed(keyring, content)
            except SealUnopened:
                unopened += 1
                continue
            if new is not None:
                changes.append(Rewrite(content, new))
        done = await rotation.rewrite(changes)
        so_far = Rotated(
            so_far.replaced + sum(done),
            so_far.overtaken + len(done) - sum(done),
            so_far.unopened + unopened,
            so_far.clear + clear,
            page.cursor,
        )
        if page.cursor is None:
            so_far = await _with_schedules(backend, keyring, so_far, may_seal)
            return await _with_callbacks(backend, keyring, so_far, may_seal)
        progress(so_far)


async def _with_schedules(
    backend: Backend, keyring: Keyring, so_far: Rotated, may_seal: Callable[[], bool]
) -> Rotated:
    """The arguments of schedules too; one that runs meanwhile is overtaken."""
    port = backend.inner.schedules if isinstance(backend, SealedBackend) else backend.schedules
    after = ""
    while port is not None and (page := await port.page(limit=_BATCH, after=after)):
        changes: list[ScheduleChange] = []
        unopened = clear = 0
        for one in page:
            if one.payload is not None and not is_closed(one.payload) and not may_seal():
                clear += 1
                continue
            try:
                new = resealed_schedule(keyring, one)
            except SealUnopened:
                unopened += 1
                continue
            if new is not None:
                changes.append(ScheduleChange(one.name, one.version, new))
        answers = await port.change(changes)
        lost = sum(answer is None for answer in answers)
        so_far = so_far._replace(
            replaced=so_far.replaced + len(changes) - lost,
            overtaken=so_far.overtaken + lost,
            unopened=so_far.unopened + unopened,
            clear=so_far.clear + clear,
        )
        after = page[-1].name
    return so_far


async def _with_callbacks(
    backend: Backend, keyring: Keyring, so_far: Rotated, may_seal: Callable[[], bool]
) -> Rotated:
    """The arguments of callbacks that are not due yet. One that is added meanwhile is overtaken:
    it is a task then.
    """
    port, after = backend.batches, ""
    while port is not None and (page := await port.held(limit=_BATCH, after=after)):
        changes: list[tuple[HeldCall, bytes]] = []
        for one in page:
            content = Content(one.task_id, ContentField.PAYLOAD, 0, one.payload)
            if is_clear(content) and not may_seal():
                so_far = so_far._replace(clear=so_far.clear + 1)
                continue
            try:
                new = resealed(keyring, content)
            except SealUnopened:
                so_far = so_far._replace(unopened=so_far.unopened + 1)
                continue
            if isinstance(new, bytes):
                changes.append((one, new))
        done = await port.reseal(changes)
        so_far = so_far._replace(
            replaced=so_far.replaced + sum(done),
            overtaken=so_far.overtaken + len(done) - sum(done),
        )
        after = page[-1].task_id
    return so_far
