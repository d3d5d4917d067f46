"""What people without an account may see of one task or batch, and the tokens that let them."""

from __future__ import annotations

import secrets
import time
from typing import Any, NamedTuple, TypeAlias

from fastapi_taskflow.operations.batching import status_of
from fastapi_taskflow.operations.desk import Desk
from fastapi_taskflow.operations.shortids import id_text
from fastapi_taskflow.rules import statustokens
from fastapi_taskflow.rules.statustokens import Subject
from fastapi_taskflow.rules.telling import emitted_of
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.batches import Batch, BatchStatus
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.loglines import dropped_lines
from fastapi_taskflow.words.models import TaskStatus
from fastapi_taskflow.words.said import Progress
from fastapi_taskflow.words.states import TERMINAL

__all__ = ["Followed", "Seen", "Tokens", "look", "look_at_batch", "subject_of"]

Followed: TypeAlias = str | Batch | BatchStatus
"""A task by its id, or a batch."""

_KEY_BYTES = 32
# Keys are asked for again after this, and not more often for tokens that none of them made.
_KNOWN_SECONDS = 60.0
_AGAIN_SECONDS = 5.0


class Seen(NamedTuple):
    """A task as far as it is shown.

    Attributes:
        first: The number of the first of ``emitted``, from 1.
        logs: The newest lines; where older ones went, the first says so.
        dropped: How many went.
    """

    status: TaskStatus
    progress: Progress | None
    first: int
    emitted: list[Any]
    logs: list[str]
    dropped: int

    @property
    def over(self) -> bool:
        return self.status in TERMINAL


async def look(desk: Desk, task_id: str) -> Seen | None:
    """One task as it is now; None: there is none. What runs here asks no store."""
    engine = desk.engine
    live = engine.store.find(task_id)
    if live is not None and live.held:
        record, emitted = live.record, live.emitted
    else:
        stored = await engine.core.looks.get(task_id)
        if stored is not None:
            record, emitted = stored.record, stored.emitted
        elif live is not None:  # it has ended here, and is to be written
            record, emitted = live.record, live.emitted
        else:
            return None
    logs = list(record.logs)
    return Seen(record.status, record.progress, *emitted_of(emitted), logs, dropped_lines(logs))


async def look_at_batch(desk: Desk, batch_id: str) -> BatchStatus | None:
    """How far one batch has come; None: there is none."""
    found = await desk.engine.core.batch_looks.get(batch_id)
    return None if found is None else status_of(found)


def subject_of(followed: Followed) -> Subject:
    """What a token for this lets one follow."""
    if isinstance(followed, Batch | BatchStatus):
        return Subject(followed.id, is_batch=True)
    return Subject(id_text(followed))


class Tokens:
    """Makes and knows tokens, by keys that all instances on the store share."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._keys: list[bytes] = []
        self._asked_at = -_KNOWN_SECONDS

    async def make(self, followed: Followed, expires: float) -> str:
        """A token for one task or batch, valid for so many seconds.

        Raises:
            ConfigurationError: not a span up to 30 days, or a store without keys.
        """
        expires = limits.span("expires", expires, above=True, most=statustokens.LONGEST_SECONDS)
        await self._refresh(_KNOWN_SECONDS)
        now = self._desk.engine.clock.now().timestamp()
        return statustokens.token(self._keys[0], subject_of(followed), int(now + expires) + 1)

    async def knows(self, subject: Subject, token: str) -> bool:
        """The token is valid for this task or batch now."""
        await self._refresh(_KNOWN_SECONDS)
        now = self._desk.engine.clock.now().timestamp()
        if statustokens.is_valid(self._keys, subject, token, now):
            return True
        # Another instance may have a newer key.
        if not await self._refresh(_AGAIN_SECONDS):
            return False
        return statustokens.is_valid(self._keys, subject, token, now)

    async def _refresh(self, age: float) -> bool:
        """Ask for the keys, if that was done longer ago."""
        if time.monotonic() - self._asked_at < age:
            return False
        logins = self._desk.engine.backend.sign_in
        if logins is None:
            raise ConfigurationError(
                f"{self._desk.engine.backend.place} has no Backend.sign_in, which keeps the keys "
                "of status tokens."
            )
        fresh = secrets.token_bytes(_KEY_BYTES)
        renew = keep = statustokens.LONGEST_SECONDS
        self._keys = await logins.signing_keys(fresh, renew=renew, keep=keep)
        self._asked_at = time.monotonic()
        return True
