"""A store file of the older package: told of at the start, never touched, taken over on request."""

import logging
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from fastapi_taskflow import IdempotencyConflict, TaskManager, TaskStatus
from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.backends.sqlite.older import OlderFile
from fastapi_taskflow.operations.importing import import_older, preview_older
from fastapi_taskflow.testing import async_drain
from tests.compat.older import BEGUN, ENDED, OlderStore
from tests.support.waiting import wait_until

PICKLE = "gAAAAABnot-to-be-opened"


@pytest.fixture
def older(tmp_path):
    return OlderStore(tmp_path / "tasks.db")


def managed(older, **settings):
    """A manager on the same file, with ``work`` and what it was called with."""
    manager = TaskManager(snapshot_db=older.path, **settings)
    calls = []

    @manager.task()
    async def work(*args, **kwargs):
        calls.append((args, kwargs))

    return manager, work, calls


async def taken(older, **settings):
    """Take all over with a manager that runs nothing."""
    manager, _, _ = managed(older, roles=(), **settings)
    async with manager:
        with OlderFile(str(older.path)) as file:
            return await import_older(manager.runtime, file)


# At the start


async def test_a_start_tells_what_is_there_and_touches_none_of_it(older, caplog):
    older.ended()
    older.key("k", older.ended())
    older.waiting("work", 1)
    before = older.content()
    manager, _, calls = managed(older)

    async with manager:
        assert await manager.merged_list() == []

    (record,) = [one for one in caplog.records if one.name.endswith(".older")]
    assert record.levelno == logging.WARNING
    assert "ended tasks: 2, waiting tasks: 1, idempotency keys: 1" in record.getMessage()
    assert f"fastapi-taskflow import --store sqlite:///{older.path}" in record.getMessage()
    assert (older.content(), calls) == (before, [])


async def test_an_empty_older_store_and_none_at_all_say_nothing(older, tmp_path, caplog):
    for manager in (managed(older)[0], TaskManager(snapshot_db=tmp_path / "new.db")):
        async with manager:
            pass

    assert not [one for one in caplog.records if one.name.endswith(".older")]


async def test_a_start_after_the_import_says_nothing_until_the_older_app_wrote_more(older, caplog):
    older.ended()
    await taken(older)
    caplog.clear()

    async with managed(older)[0]:
        assert not [one for one in caplog.records if one.name.endswith(".older")]
    older.waiting("work", 1)
    async with managed(older)[0]:
        assert [one for one in caplog.records if one.name.endswith(".older")]


async def test_tables_of_that_name_that_cannot_be_read_keep_nothing_from_starting(tmp_path, caplog):
    path = tmp_path / "tasks.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE task_snapshots (id)")
        connection.execute("INSERT INTO task_snapshots VALUES (1)")
    async with TaskManager(snapshot_db=path) as manager:
        await manager.operations.queues()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO taskflow_audit (id, action, task_id, actor, at, detail)"
            " VALUES ('1', 'import', '', '', 0, 'no JSON')"
        )

    async with TaskManager(snapshot_db=path) as manager:
        assert await manager.merged_list() == []

    assert "cannot be read" in caplog.text


# Taking over


async def test_ended_tasks_come_with_all_that_was_known_of_them(older):
    task_id = older.ended(
        "charge",
        7,
        status="failed",
        error="no\x1b[31m money",
        stacktrace="Traceback ...",
        logs_json='["2026-11-30T12:00:00 one", "--- Retry 1 ---"]',
        retries_used=1,
        priority=5,
        queue="mail",
        kwargs_json='{"to": "ada"}',
    )
    before = older.content()

    done = await taken(older)
    manager, _, _ = managed(older)
    async with manager:
        record = await manager.get(task_id)

    assert (done.ended, done.waiting, done.refused) == (1, 0, 0)
    assert record is not None
    assert (record.func_name, record.status) == ("charge", TaskStatus.FAILED)
    assert (record.args, record.kwargs) == ((7,), {"to": "ada"})
    assert record.created_at == record.start_time == BEGUN.replace(tzinfo=UTC)
    assert record.end_time == ENDED.replace(tzinfo=UTC)
    assert (record.duration, record.retries_used) == (2.0, 1)
    assert (record.queue, record.priority, record.executor) == ("mail", 5, "async")
    assert (record.error, record.stacktrace) == ("no money", "Traceback ...")
    assert record.logs == ["2026-11-30T12:00:00 one", "--- Retry 1 ---"]
    assert older.content() == before


async def test_an_ended_task_can_be_retried(older):
    task_id = older.ended("work", 7, status="interrupted")
    await taken(older)
    manager, _, calls = managed(older)

    async with manager:
        await manager.retry(task_id)
        await wait_until(lambda: calls)

    assert calls == [((7,), {})]


async def test_waiting_tasks_run_once_under_their_id(older):
    task_id = older.waiting("work", 1, ["two"], kwargs_json='{"three": null}')
    await taken(older)
    manager, _, calls = managed(older)

    async def ended():
        record = await manager.get(task_id)
        return record is not None and record.status is TaskStatus.SUCCESS

    async with manager:
        await wait_until(ended)

    assert calls == [((1, ["two"]), {"three": None})]


async def test_a_key_is_held_by_the_task_that_had_it(older):
    task_id = older.ended("work", 1)
    older.key("k", task_id)
    done = await taken(older)
    manager, work, calls = managed(older)

    async with manager:
        again = await manager.enqueue(work, 1, idempotency_key="k")
        with pytest.raises(IdempotencyConflict):
            await manager.enqueue(work, 2, idempotency_key="k")

    assert done.held_keys == 1
    assert (again.task_id, again.duplicate, calls) == (task_id, True, [])


async def test_a_key_whose_record_is_gone_lets_no_work_run_twice(older):
    older.key("k", "4c34a7d2-0000-4000-8000-000000000000")
    await taken(older)
    manager, work, calls = managed(older)

    async with manager:
        with pytest.raises(IdempotencyConflict, match="4c34a7d2"):
            await manager.enqueue(work, 1, idempotency_key="k")

    assert calls == []


async def test_a_key_that_is_in_use_again_stays_with_its_new_task(older):
    manager, work, _ = managed(older)
    async with manager:
        new = await manager.enqueue(work, 1, idempotency_key="k")
    older.key("k", older.ended("work", 2))

    done = await taken(older)

    async with managed(older)[0] as manager:
        records = await manager.merged_list()
    assert (done.ended, done.held_keys) == (1, 0)
    assert {one.task_id for one in records if one.idempotency_key} == {new.task_id}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"encrypted_payload": PICKLE}, "encrypted pickles"),
        ({"args_json": "[1,"}, "no JSON"),
        ({"args_json": '["<app.User object at 0x7f1e>"]'}, "only its repr"),
        ({"kwargs_json": '{"at": ["datetime.datetime(2026, 1, 1, 0, 0)"]}'}, "only its repr"),
        ({"args_json": '["%s"]' % ("x" * 300_000)}, "262144"),
        ({"created_at": "yesterday"}, "no time"),
        ({"func_name": ""}, "function's name"),
    ],
)
async def test_a_waiting_task_that_cannot_be_run_as_it_was_is_left_and_listed(older, row, reason):
    left = older.waiting(**{"func_name": "work", **row})
    good = older.waiting("work", 1)

    done = await taken(older)

    assert (done.waiting, done.refused) == (1, 1)
    assert (done.refusals[0].task_id, reason in done.refusals[0].reason) == (left, True)
    async with managed(older, roles=())[0] as manager:
        assert [one.task_id for one in await manager.merged_list()] == [good]


async def test_an_ended_task_with_pickled_arguments_comes_without_them(older):
    task_id = older.ended("work", status="failed", encrypted_payload=PICKLE)

    done = await taken(older)

    assert (done.ended, done.refused) == (1, 0)
    async with managed(older)[0] as manager:
        record = await manager.get(task_id)
        assert record is not None
        assert record.args == ()
        with pytest.raises(ValueError, match="not stored"):
            await manager.retry(task_id)


@pytest.mark.parametrize("row", [{"status": "running"}, {"status": "?"}, {"end_time": "?"}])
async def test_a_damaged_record_is_left_and_the_others_come(older, row):
    left, good = older.ended(**row), older.ended()

    done = await taken(older)

    assert (done.ended, [one.task_id for one in done.refusals]) == (1, [left])
    async with managed(older)[0] as manager:
        assert [one.task_id for one in await manager.merged_list()] == [good]


async def test_a_second_run_changes_nothing_whatever_became_of_the_tasks(older):
    older.waiting("work", 1)
    older.key("k", older.ended())
    await taken(older)
    manager, _, calls = managed(older)
    async with manager:
        await wait_until(lambda: calls)
        await async_drain(manager)
    with closing(sqlite3.connect(older.path)) as connection, connection:
        connection.execute("DELETE FROM taskflow_tasks")

    done = await taken(older)

    assert done.earlier
    assert (done.ended, done.waiting, done.held_keys) == (0, 0, 0)
    async with managed(older, roles=())[0] as manager:
        assert await manager.merged_list() == []


async def test_one_that_was_cut_off_goes_on_where_it_was(older):
    ids = [older.waiting("work", 1), older.ended()]
    await taken(older)
    with closing(sqlite3.connect(older.path)) as connection, connection:
        connection.execute("DELETE FROM taskflow_audit")
    ids.append(older.ended("other"))

    done = await taken(older)

    assert (done.earlier, done.known, done.ended, done.waiting) == (False, 2, 1, 0)
    async with managed(older, roles=())[0] as manager:
        assert {one.task_id for one in await manager.merged_list()} == set(ids)


async def test_a_record_of_which_only_the_key_was_stored_gets_its_end(older):
    task_id = older.ended("work", 1)
    older.key("k", task_id)
    half = NewTask(
        task_id,
        "work",
        None,
        "default",
        datetime.now(UTC),
        idempotency_key="k",
        persist=False,
        owner="older-package",
    )
    manager, _, _ = managed(older, roles=())
    async with manager:
        await manager.runtime.engine().backend.insert([[half]])

    done = await taken(older)

    assert (done.ended, done.held_keys, done.known) == (1, 1, 0)
    async with managed(older)[0] as manager:
        record = await manager.get(task_id)
        assert record is not None
        assert record.status is TaskStatus.SUCCESS


async def test_a_store_of_its_first_versions_has_fewer_tables_and_columns(older):
    task_id = older.ended("work", 1)
    with closing(sqlite3.connect(older.path)) as connection, connection:
        for table in ("task_pending_requeue", "task_idempotency_keys", "task_scheduled_once"):
            connection.execute(f"DROP TABLE {table}")
        for column in ("logs_json", "stacktrace", "encrypted_payload", "source", "priority"):
            connection.execute(f"ALTER TABLE task_snapshots DROP COLUMN {column}")

    done = await taken(older)

    assert (done.ended, done.refused) == (1, 0)
    async with managed(older)[0] as manager:
        record = await manager.get(task_id)
        assert record is not None
        assert (record.args, record.source) == ((1,), "manual")


async def test_a_task_that_succeeded_after_all_does_not_run_again(older):
    task_id = older.ended("work", 1)
    older.waiting("work", 1, task_id=task_id)

    done = await taken(older)

    assert (done.ended, done.waiting) == (1, 0)


async def test_what_is_taken_over_is_sealed_where_the_app_encrypts(older):
    older.waiting("work", "s3cret")
    older.ended("work", "s3cret", error="s3cret", logs_json='["s3cret"]')
    with closing(sqlite3.connect(older.path)) as connection:
        connection.execute("PRAGMA secure_delete = ON")

    await taken(older, encrypt_args_key="a key of more than sixteen bytes")

    with closing(sqlite3.connect(older.path)) as connection:
        rows = connection.execute("SELECT payload, error FROM taskflow_tasks").fetchall()
        rows += connection.execute("SELECT lines FROM taskflow_logs").fetchall()
    assert len(rows) == 3
    assert "s3cret" not in str(rows)


def test_a_preview_writes_nothing(older):
    older.key("k", older.ended())
    older.waiting("work", 1)
    left = older.waiting("work", encrypted_payload=PICKLE)
    tables = older.tables()

    with OlderFile(str(older.path)) as file:
        done = preview_older(managed(older)[0].runtime, file)

    assert (done.ended, done.waiting, done.held_keys, done.refused) == (1, 1, 1, 1)
    assert done.refusals[0].task_id == left
    assert older.tables() == tables


async def test_the_act_is_audited(older):
    older.ended()
    await taken(older)

    async with managed(older)[0] as manager:
        entries, _ = await manager.operations.audit(limit=9)
    assert [(one.action, one.detail["ended"]) for one in entries] == [("import", 1)]
