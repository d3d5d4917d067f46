"""The audit is checked by its hashes, over HTTP."""

import sqlite3
from contextlib import closing

from fastapi_taskflow import SqliteBackend


def acted(desk, times=3) -> list[str]:
    """Ids of entries, the oldest first."""
    for _ in range(times):
        desk.client.post("/tasks/queues/mail/pause")
        desk.client.post("/tasks/queues/mail/resume")
    return [one["entry_id"] for one in desk.client.get("/tasks/audit").json()][::-1]


def test_an_audit_that_nobody_touched_is_well(desk):
    empty = desk.client.get("/tasks/audit/verify").json()
    acted(desk)

    check = desk.client.get("/tasks/audit/verify").json()

    newest = desk.client.get("/tasks/audit?limit=1").json()[0]["hash"]
    assert empty == {"checked": 0, "unchained": 0, "head": None, "broken": None, "whole": True}
    assert check == {"checked": 6, "unchained": 0, "head": newest, "broken": None, "whole": True}


def test_a_look_goes_back_only_as_far_as_is_asked(memory_desk):
    acted(memory_desk)

    check = memory_desk.client.get("/tasks/audit/verify?most=4").json()

    assert (check["checked"], check["whole"], check["broken"]) == (4, False, None)
    assert memory_desk.client.get("/tasks/audit/verify?most=0").status_code == 422


def test_what_is_dropped_from_memory_is_no_break(memory_desk):
    desk = memory_desk
    (entry, *_), _ = desk.call(desk.store.audit, limit=1) if acted(desk, 1) else ([], None)

    async def many():
        new = [type(entry)(f"e{n}", "retry", "t", "ada", entry.timestamp) for n in range(10_050)]
        await desk.store.append_audit(new)

    desk.call(many)

    check = desk.client.get("/tasks/audit/verify?most=10000").json()
    assert (check["checked"], check["broken"]) == (10_000, None)


def test_an_entry_that_was_changed_in_the_file_is_named(open_desk, tmp_path):
    path = str(tmp_path / "tasks.db")
    desk = open_desk(SqliteBackend(path))
    ids = acted(desk)

    with closing(sqlite3.connect(path)) as connection, connection:
        change = "UPDATE taskflow_audit SET actor = 'somebody else' WHERE id = ?"
        connection.execute(change, (ids[2],))

    check = desk.client.get("/tasks/audit/verify").json()
    assert check["broken"] == {"entry_id": ids[2], "reason": "its content was changed"}
