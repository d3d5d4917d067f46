"""Changing keys: everything in a store sealed anew under the newest one.

Works in batches beside running instances. Each value is replaced only if it is still the
one that was read, so what a task writes meanwhile wins; and what is under the newest key
already is left alone, so a rotation that was cut off is simply begun again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from fastapi_taskflow.backends.base import Backend, Rewrite
from fastapi_taskflow.backends.sealed.values import is_clear, resealed
from fastapi_taskflow.rules.crypto import Keyring
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
            return so_far
        progress(so_far)
