"""The export: all that match, in a form that spreadsheets only show."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.admin.api.exporting import COLUMNS, safe
from tests.admin.people import everybody, signed_in

BEGINS = set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1+1", "\uff20x"]


def exported(client, query="") -> list[dict[str, str]]:
    response = client.get(f"/tasks/export.csv{query}")
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"].startswith("text/csv")
    assert response.headers["Content-Disposition"] == 'attachment; filename="tasks.csv"'
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def test_all_that_match_are_in_it_newest_first(desk):
    ids = [desk.ended(desk.fail, n, tags={"order": "7"}).task_id for n in range(3)]
    desk.ended(desk.succeed)

    rows = exported(desk.client, "?status=failed&tag=order:7")

    assert [row["task_id"] for row in rows] == ids[::-1]
    assert set(rows[0]) == set(COLUMNS)
    assert {(row["status"], row["func_name"], row["error"]) for row in rows} == {
        ("failed", "fail", "no answer")
    }
    assert rows[0]["tags"] == '{"order": "7"}'


def test_it_goes_on_over_many_pages(memory_desk):
    desk = memory_desk

    async def add():
        await desk.manager.enqueue_many([desk.manager.call(desk.succeed, n) for n in range(450)])

    desk.call(add)

    rows = exported(desk.client)

    assert len({row["task_id"] for row in rows}) == len(rows) == 450


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_calculate_is_text(memory_desk, text):
    desk = memory_desk
    desk.ended(desk.tell, f'{text},"quoted"')

    (row,) = exported(desk.client)

    assert row["error"].strip()[:1] not in BEGINS
    assert row["error"].endswith(',"quoted"')


@given(st.text())
def test_no_text_begins_as_a_formula_and_none_is_lost(text):
    shown = safe(text)

    assert shown in (text, f"'{text}") or "?" in shown
    assert shown.lstrip()[:1] not in BEGINS


def test_nobody_finds_arguments_or_log_lines_in_it(open_desk):
    desk = open_desk(display_func_args=True, auth=everybody())
    desk.ended(desk.chat, "a private line")

    text = signed_in(desk.app, "admin").get("/tasks/export.csv").text

    assert "chat" in text
    assert "private" not in text


def test_a_look_at_its_head_reads_no_further(memory_desk):
    memory_desk.ended(memory_desk.succeed)

    response = memory_desk.client.head("/tasks/export.csv")

    assert (response.status_code, response.content) == (200, b"")


def test_a_filter_that_cannot_be_is_told_before_it_begins(memory_desk):
    assert memory_desk.client.get("/tasks/export.csv?tag=nothing").status_code == 422
    assert memory_desk.client.get("/tasks/export.csv?limit=3").status_code == 422
