"""Percentiles and series over time, on stores whose clock the test turns."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from fastapi_taskflow import MemoryBackend, SqliteBackend
from fastapi_taskflow.backends.base import Lease, NewTask, Outcome
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import instance
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.states import Move

FIELDS = ("success", "failed", "interrupted", "cancelled", "rejected")


@pytest.fixture
def clock():
    return ManualClock(SYSTEM_CLOCK.now())


@pytest.fixture
def metered(request, clock, tmp_path, store, open_desk):
    """A desk on each kind of store, on the test's clock."""
    on_disk = isinstance(store, SqliteBackend)
    own = SqliteBackend(str(tmp_path / "own.db"), clock=clock) if on_disk else None
    desk = open_desk(own or MemoryBackend(clock=clock))
    desk.call(desk.store.enlist, instance("else"))
    return desk


def end(desk, move=Move.SUCCEED, elapsed=0.5, func_name="work"):
    """A task of another instance comes to its end."""
    now = SYSTEM_CLOCK.now()
    new = NewTask(new_id(), func_name, b"", "default", now, owner="else")
    lease = Lease(new.task_id, 1)
    desk.call(desk.store.insert, [[new]])
    desk.call(desk.store.start, [lease])
    desk.call(desk.store.finish, [Outcome(lease, move, elapsed=elapsed)])


def due_since(desk, seconds, **changes):
    """A stored task that has been due for so long."""
    now = SYSTEM_CLOCK.now()
    due_at = now - timedelta(seconds=seconds)
    new = NewTask(new_id(), "unknown", b"", "default", now, due_at=due_at, **changes)
    desk.call(desk.store.insert, [[new]])
    return Lease(new.task_id, 1)


def get(desk, **query):
    answer = desk.client.get("/tasks/metrics", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(series):
    return sum(bucket[field] for bucket in series["buckets"] for field in FIELDS)


def test_percentiles_are_near_the_lengths_of_what_ran(metered):
    for number in range(1, 21):
        end(metered, elapsed=number / 10)
    end(metered, Move.FAIL, elapsed=30.0, func_name="slow")
    end(metered, Move.INTERRUPT, elapsed=900.0)

    metrics = get(metered)

    assert metrics["p50"] == pytest.approx(1.1, rel=0.045)
    assert metrics["p95"] == pytest.approx(2.0, rel=0.045)
    assert metrics["p99"] == pytest.approx(30.0, rel=0.045)
    slow, work = sorted(metrics["functions"], key=lambda each: each["func_name"])
    assert slow["p50"] == slow["p95"] == pytest.approx(30.0, rel=0.045)
    assert work["p95"] == pytest.approx(1.9, rel=0.045)


def test_one_function_can_be_asked_for(metered):
    end(metered)
    end(metered, Move.FAIL, func_name="other")

    metrics = get(metered, func_name="other", bucket="minute")

    assert (metrics["total"], metrics["failed"]) == (1, 1)
    assert [each["func_name"] for each in metrics["functions"]] == ["other"]
    assert ended(metrics["series"]) == 1
    assert get(metered, func_name="nobody")["total"] == 0


@pytest.mark.parametrize(
    ("bucket", "number"), [("minute", 60), ("5min", 72), ("hour", 48), ("day", 30)]
)
def test_buckets_follow_one_another_up_to_now(metered, bucket, number):
    for move in (Move.SUCCEED, Move.SUCCEED, Move.FAIL, Move.CANCEL, Move.INTERRUPT):
        end(metered, move, elapsed=0.25)

    series = get(metered, bucket=bucket)["series"]

    starts = [each["start"] for each in series["buckets"]]
    assert (series["bucket"], len(starts), starts[0]) == (bucket, number, series["since"])
    assert starts == sorted(set(starts))
    assert ended(series) == 5
    full = next(each for each in reversed(series["buckets"]) if each["success"])
    assert full["avg_duration_seconds"] == 0.25
    assert full["p50"] == full["p95"] == full["p99"] == pytest.approx(0.25, rel=0.045)
    assert [each["p50"] for each in series["buckets"]].count(None) == number - 1


def test_waits_are_those_of_what_started(metered):
    lease = due_since(metered, 200, owner="else")
    metered.call(metered.store.start, [lease])
    waits = [one["wait_p50"] for one in get(metered, bucket="minute")["series"]["buckets"]]
    assert set(waits) == {None}
    metered.call(metered.store.finish, [Outcome(lease, Move.FAIL, elapsed=0.5)])

    buckets = get(metered, bucket="minute")["series"]["buckets"]

    (started,) = (one for one in buckets if one["wait_p50"] is not None)
    # The store's clock stands still, and the caller's goes on for as long as this takes.
    waited = pytest.approx(200, rel=0.2)
    assert started["wait_p50"] == started["wait_p95"] == started["wait_p99"] == waited
    at = buckets.index(started)
    # It had waited before it started, and nothing waits since.
    ages = [one["oldest_seconds"] for one in buckets[at - 4 : at + 1]]
    assert ages == pytest.approx([0, 20, 80, 140, 200], abs=70)
    assert ages == sorted(ages)
    assert {one["oldest_seconds"] for one in buckets[: at - 4] + buckets[at + 1 :]} <= {0.0}


def test_what_waits_and_never_starts_grows_older(metered):
    assert get(metered)["series"] is None
    due_since(metered, 2000)
    due_since(metered, -2000)

    series = get(metered, bucket="minute")["series"]
    ages = [one["oldest_seconds"] for one in series["buckets"]]
    assert ages[-1] == pytest.approx(2000, abs=60)
    assert [now - before for before, now in pairwise(ages[-30:-1])] == pytest.approx([60] * 28)
    assert ages[:20] == [0] * 20
    one = get(metered, bucket="minute", func_name="unknown")["series"]["buckets"][-1]
    assert one["oldest_seconds"] is None
    queues = metered.client.get("/tasks/queues").json()
    since = {one["name"]: one["waiting_since"] for one in queues}
    waited = SYSTEM_CLOCK.now() - datetime.fromisoformat(since.pop("default"))
    assert waited.total_seconds() == pytest.approx(2000, abs=60)
    assert set(since.values()) <= {None}


def test_a_range_chooses_whole_buckets(metered):
    query = {"since": "2026-11-01T10:20:00Z", "until": "2026-11-01T12:00:01Z", "bucket": "hour"}

    series = get(metered, **query)["series"]

    assert series["since"] == "2026-11-01T10:00:00+00:00"
    assert series["until"] == "2026-11-01T13:00:00+00:00"
    assert [each["start"][11:13] for each in series["buckets"]] == ["10", "11", "12"]


def test_nothing_is_shown_of_times_that_are_not_kept(metered):
    range_ = {"since": "2020-01-01T00:00:00Z", "until": "2020-01-01T05:00:00Z"}

    assert get(metered, bucket="minute", **range_)["series"]["buckets"] == []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"bucket": "minute", "since": "1w"}, "at most 750 buckets"),
        ({"bucket": "day", "since": "0001-01-01"}, "at most 750 buckets"),
        ({"bucket": "hour", "since": "1h", "until": "5h"}, "before until"),
        ({"bucket": "hour", "since": "9999-01-01"}, "before until"),
        ({"since": "1h"}, "Missing"),
        ({"until": "1h"}, "Missing"),
        ({"bucket": "second"}, "minute"),
        ({"bucket": ["hour", "day"]}, "more than once"),
        ({"func_name": ""}, "at least 1"),
    ],
)
def test_what_cannot_be_shown_is_refused(memory_desk, query, reason):
    answer = memory_desk.client.get("/tasks/metrics", params=query)

    assert answer.status_code == 422
    assert reason in answer.text


def test_a_purge_takes_nothing_from_the_numbers(metered, clock):
    end(metered, elapsed=0.25)
    clock.advance(1)
    metered.call(metered.store.purge, clock.now(), limit=9)

    metrics = get(metered, bucket="day")

    assert metered.client.get("/tasks").json() == []
    assert metrics["p50"] == pytest.approx(0.25, rel=0.045)
    assert ended(metrics["series"]) == 1


def test_functions_show_what_their_tasks_came_to_in_the_last_hour(metered):
    for elapsed in (0.25, 0.25, 20.0):
        end(metered, elapsed=elapsed)
    end(metered, Move.CANCEL, func_name="<b>other")

    shown = last_hour(metered)

    assert (shown["<b>other"]["other"], shown["<b>other"]["success"]) == (1, 0)
    assert (shown["work"]["success"], shown["work"]["failed"]) == (3, 0)
    # The middles of the bins of 0.25 and 20.
    assert shown["work"]["p50"] == pytest.approx(0.261, abs=0.001)
    assert shown["work"]["p95"] == pytest.approx(19.9, abs=0.1)


def test_what_ended_before_is_not_of_the_last_hour(open_desk):
    clock = ManualClock(SYSTEM_CLOCK.now() - timedelta(minutes=62))
    desk = open_desk(MemoryBackend(clock=clock))
    desk.call(desk.store.enlist, instance("else"))
    end(desk)
    assert last_hour(desk)["work"] is None
    clock.advance(300)
    end(desk)

    assert last_hour(desk)["work"]["success"] == 1


def last_hour(desk):
    return {
        one["func_name"]: one["last_hour"] for one in desk.client.get("/tasks/functions").json()
    }
