"""Tasks under encryption, from their acceptance to a retry by hand."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretBytes, SecretStr

from fastapi_taskflow import (
    Backend,
    IdempotencyConflict,
    TaskArgumentError,
    TaskManager,
    TaskStatus,
    task_log,
)
from fastapi_taskflow.exceptions import SealUnopened
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]
KEY = "a secret that is long enough"
OTHER = "another secret, also long enough"
CANARY = "canary-4242"


class Job:
    """A durable task that notes its arguments, logs them and fails with them if asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.fails = False

    def on(self, tasks: TaskManager) -> Callable[..., Any]:
        async def job(*args: Any, **kwargs: Any) -> None:
            self.seen.append((args, kwargs))
            task_log(f"got {args}")
            if self.fails:
                raise RuntimeError(f"no use for {args}")

        return tasks.task(name="job", persist=True)(job)


async def ended(tasks: TaskManager, task_id: str) -> TaskStatus:
    async def look() -> TaskStatus | None:
        record = await tasks.get(task_id)
        return record.status if record is not None and record.end_time else None

    status = await wait_until(look)
    assert isinstance(status, TaskStatus)
    return status


async def test_the_task_gets_its_arguments_and_the_store_does_not(
    manager: Make, open_store: Callable[[], Backend]
):
    first, second, job = manager(), manager(), Job()
    func = job.on(first)
    job.on(second)
    job.fails = True

    async with first:
        await first.pause("default")
        task_id, *_ = await first.enqueue(func, CANARY, n=1)
    async with second:
        await second.resume("default")
        assert await ended(second, task_id) is TaskStatus.FAILED
        record = await second.get(task_id)

    assert job.seen == [((CANARY,), {"n": 1})]
    assert record is not None
    assert record.error == f"no use for ('{CANARY}',)"
    assert CANARY in (record.stacktrace or "")
    assert [line.partition(" ")[2] for line in record.logs] == [f"got ('{CANARY}',)"]
    assert (record.args, record.kwargs) == ((), {})

    store = open_store()
    await store.open(lambda: None)
    (stored,) = await store.get([task_id])
    attempts = await store.attempts(task_id)
    await store.close()
    assert stored is not None
    assert stored.payload
    assert "canary" not in f"{stored} {attempts}"


async def test_a_record_from_the_store_has_the_sealed_arguments_and_hides_them(manager: Make):
    first, second, job = manager(), manager(), Job()
    async with first:
        task_id, *_ = await first.enqueue(job.on(first), CANARY)
        await ended(first, task_id)

    async with second:
        record = await second.get(task_id)

    assert record is not None
    assert record.encrypted_payload is not None
    assert CANARY.encode() not in record.encrypted_payload
    assert "encrypted_payload" not in record.to_dict()


async def test_a_retry_by_hand_runs_with_the_same_arguments(manager: Make):
    tasks, job = manager(), Job()
    job.fails = True
    async with tasks:
        task_id, *_ = await tasks.enqueue(job.on(tasks), CANARY, n=1)
        await ended(tasks, task_id)
        job.fails = False
        retried = await tasks.retry(task_id)

        assert await ended(tasks, retried) is TaskStatus.SUCCESS
    assert job.seen == [((CANARY,), {"n": 1})] * 2


async def test_a_secret_is_stored_where_it_is_encrypted_and_else_refused(manager: Make):
    sealed, clear, job = manager(), manager(encrypt_args_key=None), Job()
    func = job.on(sealed)
    unsealed = job.on(clear)

    async with clear:
        with pytest.raises(TaskArgumentError, match=r"SecretStr.* encrypt_args_key"):
            await clear.enqueue(unsealed, SecretStr(CANARY))
    async with sealed:
        task_id, *_ = await sealed.enqueue(func, SecretStr(CANARY), to={"b": SecretBytes(b"x")})
        assert await ended(sealed, task_id) is TaskStatus.SUCCESS

    assert job.seen == [((SecretStr(CANARY),), {"to": {"b": SecretBytes(b"x")}})]


@pytest.mark.parametrize("wrong", [None, OTHER])
async def test_without_the_key_records_are_shown_without_their_secrets(
    manager: Make, wrong: str | None
):
    first, second, job = manager(), manager(encrypt_args_key=wrong), Job()
    job.fails = True
    job.on(second)
    async with first:
        task_id, *_ = await first.enqueue(job.on(first), CANARY)
        await ended(first, task_id)

    async with second:
        record = await second.get(task_id)
        listed = await second.merged_list()
        with pytest.raises(SealUnopened, match="encrypt_args_key"):
            await second.retry(task_id)

    assert record is not None
    assert record.status is TaskStatus.FAILED
    assert (record.error, record.stacktrace, record.logs) == (None, None, [])
    assert [one.task_id for one in listed] == [task_id]


@pytest.mark.parametrize("wrong", [None, OTHER])
async def test_without_the_key_a_task_waits_for_who_has_it_and_one_alarm_is_given(
    manager: Make, wrong: str | None, caplog: pytest.LogCaptureFixture
):
    with_key, without, job = manager(), manager(encrypt_args_key=wrong), Job()
    func = job.on(with_key)
    job.on(without)
    async with with_key:
        await with_key.pause("default")
        ids = [(await with_key.enqueue(func, n)).task_id for n in range(3)]

    with caplog.at_level(logging.ERROR):
        async with without:
            await without.resume("default")

            async def given_back() -> bool:
                records = [await without.get(task_id) for task_id in ids]
                waits = [
                    (one.due_at - one.created_at).total_seconds()
                    for one in records
                    if one is not None and one.due_at is not None
                ]
                assert all(one is not None and one.status is TaskStatus.PENDING for one in records)
                return len(waits) == 3 and all(59 < wait < 90 for wait in waits)

            await wait_until(given_back)
            (stored,) = await without.runtime.backend.get(ids[:1])
    assert job.seen == []
    assert stored is not None
    assert (stored.failures, stored.interruptions, stored.owner) == (0, 0, None)
    alarms = [one.getMessage() for one in caplog.records if "cannot be run here" in one.message]
    assert len(alarms) == 1
    assert "'job'" in alarms[0]


async def test_equal_calls_under_one_idempotency_key_are_one_task_also_after_a_rotation(
    manager: Make,
):
    first, second, job = (
        manager(),
        manager(encrypt_args_key=[OTHER, KEY]),
        Job(),
    )
    func = job.on(first)
    rotated = job.on(second)
    async with first:
        kept = [(await first.enqueue(func, n, idempotency_key=f"k{n}")).task_id for n in range(2)]
        for task_id in kept:
            await ended(first, task_id)

    async with second:
        again = await second.enqueue(rotated, 0, idempotency_key="k0")
        new = await second.enqueue(rotated, 5, idempotency_key="k5")
        with pytest.raises(IdempotencyConflict):
            await second.enqueue(rotated, "other", idempotency_key="k1")

        assert again == (kept[0], True, "existing")
        assert not new.duplicate
        repeated = await second.enqueue(rotated, 5, idempotency_key="k5")
        assert repeated == (new.task_id, True, "existing")
        await ended(second, new.task_id)
    assert len(job.seen) == 3


async def test_what_was_stored_before_encryption_runs_under_it(manager: Make):
    before, after, job = manager(encrypt_args_key=None), manager(), Job()
    func = job.on(before)
    job.on(after)
    async with before:
        await before.pause("default")
        task_id, *_ = await before.enqueue(func, 7)

    async with after:
        await after.resume("default")
        assert await ended(after, task_id) is TaskStatus.SUCCESS
    assert job.seen == [((7,), {})]
