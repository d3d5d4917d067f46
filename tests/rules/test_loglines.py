import copy
import json
import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow import ConfigurationError, TaskRecord, TaskStatus
from fastapi_taskflow.engine.core.journal import MOST_BYTES, Journal
from fastapi_taskflow.models import LogEntry
from fastapi_taskflow.words.loglines import LEVELS, entries, levelled, packed, unpacked

NAMES = st.sampled_from([*LEVELS])
LINES = st.builds(levelled, st.text(max_size=9) | st.text("DIWECx", max_size=3), NAMES)
NOON = datetime(2026, 4, 30, 12, tzinfo=UTC)


def said(line):
    return str(line), getattr(line, "level", "info")


@given(st.lists(LINES))
def test_what_is_packed_comes_back_with_its_level(lines):
    kept = json.loads(json.dumps(packed(lines)))

    assert list(map(said, unpacked(kept))) == list(map(said, lines))


@given(st.lists(LINES))
def test_a_level_costs_a_byte_at_most(lines):
    grown = sum(map(len, packed(lines))) - sum(map(len, lines))

    assert grown <= len(lines)


@given(st.lists(st.text().filter(lambda text: text[:1] not in set("DIWEC"))))
def test_lines_that_were_stored_without_levels_read_as_they_did(texts):
    assert list(map(said, unpacked(texts))) == [(text, "info") for text in texts]


@given(LINES)
def test_a_line_is_a_string_wherever_it_goes(line):
    for other in (copy.deepcopy(line), pickle.loads(pickle.dumps(line))):  # noqa: S301
        assert said(other) == said(line)
    assert line == str(line)
    assert hash(line) == hash(str(line))
    assert json.dumps(line) == json.dumps(str(line))


@given(st.lists(st.tuples(NAMES, st.sampled_from([0, MOST_BYTES // 6]))))
def test_levels_stay_at_their_lines_when_the_older_half_goes(chunks):
    journal, kept = Journal([], 8), []
    for level, size in chunks:
        journal.add(levelled(f"2026-04-30T12:00:00 {level}{'.' * size}", level))
        unsent = journal.take()
        kept = [*([] if unsent.anew else kept), *unpacked(packed(unsent.lines))]

    found = entries(kept)

    assert all(one.level is None or one.message.rstrip(".") == one.level for one in found)
    assert [one.number for one in found] == [*range(len(chunks) - len(found) + 1, len(chunks) + 1)]


def test_a_record_gives_its_lines_in_their_parts():
    logs = [
        "--- 3 earlier lines were dropped ---",
        "2026-04-30T12:00:00 begun\nwith two lines",
        levelled("2026-04-30T12:00:00 disk is nearly full", "warning"),
        "--- Retry 1 ---",
        levelled("2026-04-30T12:00:00 no disk", "error"),
        "2026-99-30T12:00:00 of no time",
    ]
    record = TaskRecord("t", "send", TaskStatus.FAILED, logs=logs)

    assert record.log_entries() == [
        LogEntry(3, None, None, logs[0]),
        LogEntry(4, NOON, "info", "begun\nwith two lines"),
        LogEntry(5, NOON, "warning", "disk is nearly full"),
        LogEntry(6, None, None, "--- Retry 1 ---"),
        LogEntry(7, NOON, "error", "no disk"),
        LogEntry(8, None, None, logs[5]),
    ]
    assert [one.number for one in record.log_entries(min_level="error")] == [3, 6, 7, 8]
    assert record.to_dict()["logs"] == logs
    assert {type(line) for line in record.to_dict()["logs"]} == {str}


def test_a_level_that_there_is_not_is_refused():
    with pytest.raises(ConfigurationError, match="min_level takes one of debug, info, warning"):
        TaskRecord("t", "send", TaskStatus.FAILED).log_entries(min_level="loud")
