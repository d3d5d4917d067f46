"""What was moved, changed or never sealed in a store."""

import pytest

from fastapi_taskflow.backends.base import Lease, LogChunk, Outcome
from fastapi_taskflow.backends.memory import MemoryBackend
from fastapi_taskflow.backends.sealed import SealedBackend
from fastapi_taskflow.rules.crypto import Keyring
from fastapi_taskflow.testing.conformance.harness import (
    A,
    accept,
    end,
    find,
    ignore,
    instance,
    run,
    running,
    task,
)
from fastapi_taskflow.words.states import Move


class Pair:
    """A store without encryption, seen raw and through a key."""

    def __init__(self) -> None:
        self.raw = MemoryBackend()
        self.sealed = SealedBackend(self.raw, Keyring("a secret that is long enough"))


@pytest.fixture
async def pair() -> Pair:
    pair = Pair()
    await pair.raw.open(ignore)
    await pair.raw.enlist(instance(A))
    return pair


async def test_arguments_moved_to_another_task_stay_closed(pair: Pair):
    victim = task(payload=b"pay 1000", queue="q")
    await accept(pair.sealed, victim)
    stolen = (await find(pair.raw, victim.task_id)).payload

    thief = task(payload=stolen)
    await accept(pair.raw, thief)

    assert stolen is not None
    opened = await find(pair.sealed, thief.task_id)
    assert (opened.payload, opened.unopened, opened.record.args) == (None, True, ())
    assert opened.record.encrypted_payload == stolen


async def test_texts_moved_between_tasks_and_fields_stay_closed(pair: Pair):
    lease = await running(pair.sealed)
    await end(pair.sealed, lease, Move.FAIL, error="why", stacktrace="where", logs=("line",))
    secret = (await find(pair.raw, lease.task_id)).record
    error, trace, (line,) = secret.error, secret.stacktrace, secret.logs

    moved = await running(pair.raw)
    await end(pair.raw, moved, Move.FAIL, error=error, stacktrace=trace, logs=(line,))
    swapped = task()
    await accept(pair.raw, swapped)
    lease_of_swapped = await run(pair.raw, swapped)
    await end(pair.raw, lease_of_swapped, Move.FAIL, error=trace, stacktrace=error)

    for task_id in (moved.task_id, swapped.task_id):
        record = (await find(pair.sealed, task_id)).record
        assert (record.error, record.stacktrace, record.logs) == (None, None, [])


async def test_a_field_does_not_open_as_another_of_the_same_task(pair: Pair):
    ring = Keyring("a secret that is long enough")
    new = task()
    await accept(pair.raw, new)
    lease = await run(pair.raw, new)
    swapped = ring.seal_text("where", new.task_id, "stacktrace")
    await pair.raw.append_logs([LogChunk(lease, (ring.seal_text("why", new.task_id, "error"),))])

    await pair.raw.finish([Outcome(lease, Move.FAIL, error=swapped)])

    record = (await find(pair.sealed, new.task_id)).record
    assert (record.error, record.logs) == (None, [])


async def test_history_of_an_alias_is_opened_under_its_task(pair: Pair):
    first = task(idempotency_key="k", fingerprint=b"f", queue="q")
    alias = task(idempotency_key="k", fingerprint=b"f", queue="q", alias=True)
    await accept(pair.sealed, first, alias)
    lease: Lease = await run(pair.sealed, first)
    await end(pair.sealed, lease, Move.RETRY, error="why")

    (attempt,) = await pair.sealed.attempts(alias.task_id)
    assert attempt.error == "why"
    assert (await find(pair.sealed, alias.task_id)).payload == b"payload"


async def test_what_is_empty_stays_empty(pair: Pair):
    new = task(payload=None)
    await accept(pair.sealed, new)
    await end(pair.sealed, await run(pair.sealed, new), Move.FAIL, error="")

    raw = await find(pair.raw, new.task_id)
    assert (raw.payload, raw.record.error, raw.record.logs) == (None, "", [])
