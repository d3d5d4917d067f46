"""Rows of tasks that somebody damaged."""

from datetime import UTC, datetime

import pytest

from fastapi_taskflow.backends.base import NewTask
from fastapi_taskflow.backends.rules.rows import Row, read, row_of, shown
from fastapi_taskflow.words.models import TaskStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def whole():
    row = row_of(NewTask("t", "f", b"payload", "q", NOW, tags={"a": "b"}), NOW)
    return {name: getattr(row, name) for name in Row.__dataclass_fields__ if name != "damage"}


def test_a_whole_row_is_read_as_it_is():
    row = read(whole())

    assert row.damage is None
    assert {name: getattr(row, name) for name in whole()} == whole()


@pytest.mark.parametrize(
    ("name", "found", "instead"),
    [
        ("status", "gone", TaskStatus.INTERRUPTED),
        ("tags", "{", {}),
        ("fence", "x", 0),
        ("fence", None, 0),
        ("queue", 7, ""),
        ("due_at", "soon", None),
        ("created_at", None, datetime(1970, 1, 1, tzinfo=UTC)),
        ("persist", None, False),
    ],
)
def test_what_cannot_be_read_is_named_and_the_rest_is_shown(name, found, instead):
    row = read(whole() | {name: found})

    assert getattr(row, name) == instead
    assert name in (shown(row).damage or "")
    rest = whole().keys() - {name}
    assert {each: getattr(row, each) for each in rest} == {each: whole()[each] for each in rest}
