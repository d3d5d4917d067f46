from datetime import UTC, datetime, timedelta, timezone

import pytest

from fastapi_taskflow import (
    AuditEntry,
    TaskConfig,
    TaskContext,
    TaskManager,
    TaskRecord,
    TaskStatus,
)

NOON = datetime(2026, 4, 30, 12, tzinfo=UTC)
NAIVE = NOON.replace(tzinfo=None)


def test_a_record_needs_an_id_a_function_and_a_state():
    before = datetime.now(UTC)

    record = TaskRecord("t1", "send", TaskStatus.PENDING)

    assert (record.args, record.kwargs, record.duration) == ((), {}, None)
    assert before <= record.created_at <= datetime.now(UTC)
    assert TaskRecord("t2", "send", TaskStatus.PENDING).kwargs is not record.kwargs


@pytest.mark.parametrize("moment", [NOON, NAIVE, NOON.astimezone(timezone(timedelta(hours=2)))])
def test_times_leave_a_record_with_an_offset_and_count_as_utc_without_one(moment):
    end = NAIVE + timedelta(seconds=3)
    record = TaskRecord(
        "t1", "f", TaskStatus.SUCCESS, created_at=moment, start_time=moment, end_time=end
    )

    shown = record.to_dict()

    for key in ("created_at", "start_time"):
        assert datetime.fromisoformat(shown[key]) == NOON
    assert shown["end_time"] == "2026-04-30T12:00:03+00:00"
    assert record.duration == 3


def test_an_audit_entry_without_details_can_be_shown():
    entry = AuditEntry("e1", "retry", "t1", "ada", NAIVE)

    assert entry.to_dict() == {
        "entry_id": "e1",
        "action": "retry",
        "task_id": "t1",
        "actor": "ada",
        "timestamp": "2026-04-30T12:00:00+00:00",
        "detail": {},
    }


def test_a_context_needs_no_tags():
    assert TaskContext("t1", "f", 0).tags == {}


def test_the_settings_of_a_function_say_its_name():
    manager = TaskManager()

    @manager.task(retries=2)
    def plain(): ...

    @manager.task(name="other")
    def renamed(): ...

    configs = [manager.registry.get_config(func) for func in (plain, renamed)]
    assert [config.name for config in configs if config] == ["plain", "other"]
    assert manager.registry.get_by_name("plain") == (plain, TaskConfig(retries=2, name="plain"))
    assert manager.registry.get_by_name("renamed") is None
    assert manager.registry.is_registered(plain)
