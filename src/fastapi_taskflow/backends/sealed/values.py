"""The port's values, sealed on their way in and opened on their way out.

Empty stays empty: None, "" and no lines say nothing that is worth hiding.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from fastapi_taskflow.backends.base import (
    Attempt,
    Content,
    ContentField,
    LogChunk,
    NewTask,
    Outcome,
    Snapshot,
    StoredTask,
)
from fastapi_taskflow.rules.crypto import Keyring, has_sealed_form, is_closed, is_sealed_text
from fastapi_taskflow.words.errors import SealUnopened

__all__ = ["Opener", "Sealer", "is_clear", "resealed"]

# Bound into what is sealed: another name would make all of it unreadable.
PAYLOAD, ERROR, STACKTRACE, LOG = "arguments", "error", "stacktrace", "log"
_NAMES = {
    ContentField.PAYLOAD: PAYLOAD,
    ContentField.ERROR: ERROR,
    ContentField.STACKTRACE: STACKTRACE,
    ContentField.LOGS: LOG,
}


class Sealer:
    """What goes in."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def new_task(self, task: NewTask, generation: int = 0) -> NewTask:
        """With payload and fingerprint closed, the latter under the key of a generation."""
        payload, fingerprint = task.payload, task.fingerprint
        if payload is not None:
            payload = self._keyring.seal(payload, task.task_id, PAYLOAD)
        if fingerprint is not None:
            fingerprint = self._keyring.fingerprint(fingerprint, generation)
        return task._replace(payload=payload, fingerprint=fingerprint)

    def outcome(self, outcome: Outcome) -> Outcome:
        if not (outcome.error or outcome.stacktrace or outcome.logs):
            return outcome
        task_id = outcome.lease.task_id
        return outcome._replace(
            error=self.text(outcome.error, task_id, ERROR),
            stacktrace=self.text(outcome.stacktrace, task_id, STACKTRACE),
            logs=self.lines(outcome.logs, task_id),
        )

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        task_id = snapshot.task.task_id
        return snapshot._replace(
            task=self.new_task(snapshot.task),
            error=self.text(snapshot.error, task_id, ERROR),
            stacktrace=self.text(snapshot.stacktrace, task_id, STACKTRACE),
            logs=self.lines(snapshot.logs, task_id),
        )

    def chunk(self, chunk: LogChunk) -> LogChunk:
        return chunk._replace(lines=self.lines(chunk.lines, chunk.lease.task_id))

    def text(self, plain: str | None, task_id: str, field: str) -> str | None:
        return self._keyring.seal_text(plain, task_id, field) if plain else plain

    def lines(self, lines: tuple[str, ...], task_id: str) -> tuple[str, ...]:
        """All lines of one write become one."""
        if not lines:
            return ()
        return (self._keyring.seal_text(json.dumps(lines), task_id, LOG),)


class Opener:
    """What comes out. Without a keyring everything that is sealed stays unopened.

    What cannot be opened is left out, so a record can always be shown.
    """

    def __init__(self, keyring: Keyring | None) -> None:
        self._keyring = keyring

    def stored(self, task: StoredTask) -> StoredTask:
        """The task opened in place: drivers make a new record at every read."""
        record, payload = task.record, task.payload
        # An alias is sealed as the task that it stands for.
        task_id = record.duplicate_of or record.task_id
        if record.error:
            record.error = self.text(record.error, task_id, ERROR)
        if record.stacktrace:
            record.stacktrace = self.text(record.stacktrace, task_id, STACKTRACE)
        if record.logs:
            record.logs = self.lines(record.logs, task_id)
        if payload is None or not is_closed(payload):
            return task
        record.encrypted_payload = payload
        try:
            if self._keyring is None:
                return task._replace(payload=None, unopened=True)
            return task._replace(payload=self._keyring.open(payload, task_id, PAYLOAD))
        except SealUnopened:
            return task._replace(payload=None, unopened=True)

    def attempt(self, attempt: Attempt, task_id: str) -> Attempt:
        return attempt._replace(
            error=self.text(attempt.error, task_id, ERROR),
            stacktrace=self.text(attempt.stacktrace, task_id, STACKTRACE),
        )

    def text(self, sealed: str | None, task_id: str, field: str) -> str | None:
        """None for what cannot be opened."""
        if not sealed or not self._is_sealed(sealed):
            return sealed
        if self._keyring is None:
            return None
        try:
            return self._keyring.open_text(sealed, task_id, field)
        except SealUnopened:
            return None

    def _is_sealed(self, text: str) -> bool:
        return is_sealed_text(text) and (self._keyring is not None or has_sealed_form(text))

    def lines(self, lines: Iterable[str], task_id: str) -> list[str]:
        opened: list[str] = []
        for line in lines:
            if not self._is_sealed(line):
                opened.append(line)
            elif chunk := self.text(line, task_id, LOG):
                opened.extend(json.loads(chunk))
        return opened


def is_clear(content: Content) -> bool:
    """It, or a part of it, was never sealed."""
    value = content.value
    if isinstance(value, bytes):
        return not is_closed(value)
    texts = (value,) if isinstance(value, str) else value
    return not all(map(is_sealed_text, texts))


def resealed(keyring: Keyring, content: Content) -> bytes | str | tuple[str, ...] | None:
    """A content under the newest key; None if it is already.

    Raises:
        SealUnopened: no key opens it.
    """
    task_id, field, value = content.task_id, _NAMES[content.field], content.value
    if isinstance(value, bytes):
        if keyring.is_current(value):
            return None
        return keyring.seal(keyring.open(value, task_id, field), task_id, field)
    if isinstance(value, str):
        if keyring.is_current(value):
            return None
        return keyring.seal_text(keyring.open_text(value, task_id, field), task_id, field)
    if all(map(keyring.is_current, value)):
        return None
    lines: list[str] = []
    for line in value:
        opened = keyring.open_text(line, task_id, field)
        lines.extend(json.loads(opened) if is_sealed_text(line) else [opened])
    return (keyring.seal_text(json.dumps(lines), task_id, field),)
