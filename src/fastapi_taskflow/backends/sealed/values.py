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
    NewBatch,
    NewTask,
    Outcome,
    Result,
    ScheduleChange,
    Snapshot,
    StoredSchedule,
    StoredTask,
)
from fastapi_taskflow.rules.crypto import Keyring, has_sealed_form, is_closed, is_sealed_text
from fastapi_taskflow.rules.telling import progress_of
from fastapi_taskflow.words.errors import SealUnopened
from fastapi_taskflow.words.loglines import packed, unpacked

__all__ = ["Opener", "Sealer", "is_clear", "resealed", "resealed_schedule"]

# Bound into what is sealed: another name would make all of it unreadable.
PAYLOAD, ERROR, STACKTRACE, LOG = "arguments", "error", "stacktrace", "log"
SCHEDULE = "schedule"
PROGRESS, EMITTED, RESULT = "progress", "emitted", "result"
TITLE, SUMMARY = "title", "summary"
_NAMES = {
    ContentField.PAYLOAD: PAYLOAD,
    ContentField.ERROR: ERROR,
    ContentField.STACKTRACE: STACKTRACE,
    ContentField.LOGS: LOG,
    ContentField.PROGRESS: PROGRESS,
    ContentField.EMITTED: EMITTED,
    ContentField.RESULT: RESULT,
    ContentField.TITLE: TITLE,
    ContentField.SUMMARY: SUMMARY,
}


_UNOPENED = "It is encrypted, and no key in encrypt_args_key opens it"


class Sealer:
    """What goes in."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def new_task(self, task: NewTask, generation: int = 0) -> NewTask:
        """With all that is secret closed, the fingerprint under the key of a generation."""
        payload, fingerprint = task.payload, task.fingerprint
        if payload is not None:
            payload = self._keyring.seal(payload, task.task_id, PAYLOAD)
        if fingerprint is not None:
            fingerprint = self._keyring.fingerprint(fingerprint, generation)
        title = self.text(task.title, task.task_id, TITLE)
        return task._replace(payload=payload, fingerprint=fingerprint, title=title)

    def change(self, change: ScheduleChange) -> ScheduleChange:
        """A schedule's arguments are sealed under its name, those of its tasks under their ids."""
        tasks = tuple(map(self.new_task, change.tasks))
        schedule = change.schedule
        if schedule is not None and schedule.payload is not None and not schedule.unopened:
            payload = self._keyring.seal(schedule.payload, schedule.name, SCHEDULE)
            schedule = schedule._replace(payload=payload)
        return change._replace(schedule=schedule, tasks=tasks)

    def batch(self, batch: NewBatch) -> NewBatch:
        """Its tasks, and its callbacks, which are tasks to come."""
        # What is sealed anew is their arguments alone.
        callbacks = {
            kind: self.new_task(task._replace(title=None)) for kind, task in batch.callbacks.items()
        }
        return batch._replace(tasks=tuple(map(self.new_task, batch.tasks)), callbacks=callbacks)

    def outcome(self, outcome: Outcome) -> Outcome:
        ends = outcome.error or outcome.stacktrace or outcome.result
        told = outcome.progress or outcome.emitted or outcome.summary
        if not (ends or outcome.logs or told):
            return outcome
        task_id = outcome.lease.task_id
        return outcome._replace(
            error=self.text(outcome.error, task_id, ERROR),
            stacktrace=self.text(outcome.stacktrace, task_id, STACKTRACE),
            logs=self.lines(outcome.logs, task_id),
            result=self.result(outcome.result, task_id),
            progress=self.text(outcome.progress, task_id, PROGRESS),
            emitted=self.text(outcome.emitted, task_id, EMITTED),
            summary=self.text(outcome.summary, task_id, SUMMARY),
        )

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        task_id = snapshot.task.task_id
        return snapshot._replace(
            task=self.new_task(snapshot.task),
            error=self.text(snapshot.error, task_id, ERROR),
            stacktrace=self.text(snapshot.stacktrace, task_id, STACKTRACE),
            logs=self.lines(snapshot.logs, task_id),
            result=self.result(snapshot.result, task_id),
            progress=self.text(snapshot.progress, task_id, PROGRESS),
            emitted=self.text(snapshot.emitted, task_id, EMITTED),
            summary=self.text(snapshot.summary, task_id, SUMMARY),
        )

    def chunk(self, chunk: LogChunk) -> LogChunk:
        task_id = chunk.lease.task_id
        return chunk._replace(
            lines=self.lines(chunk.lines, task_id),
            progress=self.text(chunk.progress, task_id, PROGRESS),
            emitted=self.text(chunk.emitted, task_id, EMITTED),
            summary=self.text(chunk.summary, task_id, SUMMARY),
        )

    def result(self, result: Result | None, task_id: str) -> Result | None:
        if result is None or result.value is None:
            return result
        return result._replace(value=self._keyring.seal(result.value, task_id, RESULT))

    def text(self, plain: str | None, task_id: str, field: str) -> str | None:
        return self._keyring.seal_text(plain, task_id, field) if plain else plain

    def lines(self, lines: tuple[str, ...], task_id: str) -> tuple[str, ...]:
        """All lines of one write become one."""
        if not lines:
            return ()
        return (self._keyring.seal_text(json.dumps(packed(lines)), task_id, LOG),)


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
        if record.title:
            record.title = self.text(record.title, task_id, TITLE)
        if record.summary:
            record.summary = self.text(record.summary, task_id, SUMMARY)
        if record.logs:
            record.logs = self.lines(record.logs, task_id)
        if task.progress or task.emitted or task.result:
            task = self._opened(task, task_id)
        if payload is None or not is_closed(payload):
            return task
        record.encrypted_payload = payload
        opened = self.data(payload, task_id, PAYLOAD)
        return task._replace(payload=opened, unopened=opened is None)

    def _opened(self, task: StoredTask, task_id: str) -> StoredTask:
        """What its function told and gave."""
        progress = self.text(task.progress, task_id, PROGRESS)
        if progress is not None:
            task.record.progress = progress_of(progress)
        result = task.result
        if result is not None and is_closed(result):
            result = self.data(result, task_id, RESULT)
            if result is None:
                task.record.result_missing = _UNOPENED
        emitted = self.text(task.emitted, task_id, EMITTED)
        return task._replace(progress=progress, emitted=emitted, result=result)

    def data(self, sealed: bytes, task_id: str, field: str) -> bytes | None:
        """None for what cannot be opened."""
        if self._keyring is None:
            return None
        try:
            return self._keyring.open(sealed, task_id, field)
        except SealUnopened:
            return None

    def schedule(self, schedule: StoredSchedule) -> StoredSchedule:
        payload = schedule.payload
        if payload is None or not is_closed(payload):
            return schedule
        try:
            if self._keyring is not None:
                opened = self._keyring.open(payload, schedule.name, SCHEDULE)
                return schedule._replace(payload=opened)
        except SealUnopened:
            pass
        # As it is: who changes something else of it puts it back.
        return schedule._replace(unopened=True)

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
                opened.extend(unpacked(json.loads(chunk)))
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


def resealed_schedule(keyring: Keyring, schedule: StoredSchedule) -> StoredSchedule | None:
    """A schedule with its arguments under the newest key; None if they are already.

    Raises:
        SealUnopened: no key opens them.
    """
    payload, name = schedule.payload, schedule.name
    if payload is None or keyring.is_current(payload):
        return None
    sealed = keyring.seal(keyring.open(payload, name, SCHEDULE), name, SCHEDULE)
    return schedule._replace(version=schedule.version + 1, payload=sealed)
