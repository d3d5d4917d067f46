import asyncio
import math
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.exceptions import Cancel, ConfigurationError, Retry, Snooze
from fastapi_taskflow.models import TaskConfig, TaskStatus
from fastapi_taskflow.rules.ends import (
    CancelAsked,
    Ended,
    Lost,
    Raised,
    Returned,
    Stopped,
    TimedOut,
    Unstarted,
)
from fastapi_taskflow.rules.retry import (
    POISON_CAP,
    QUARANTINE_FROM,
    Facts,
    Verdict,
    decide,
    rescue_delay,
    retry_delay,
)
from fastapi_taskflow.words.limits import LONGEST_DELAY_SECONDS
from fastapi_taskflow.words.states import MOVES, TERMINAL, Move

FIRST = Facts(
    failures=0, interruptions=0, persist=True, requeue=False, cancel_asked=False, started=True
)


def chance(seed: int = 1) -> Random:
    return Random(seed)  # noqa: S311  (jitter, not a secret)


def verdict(ended: Ended, config: TaskConfig | None = None, **facts: Any) -> Verdict:
    return decide(config or TaskConfig(), FIRST._replace(**facts), ended, random=chance())


def failure(error: BaseException | None = None) -> Raised:
    return Raised(ValueError("no such user") if error is None else error, "the stack trace")


# The table


@pytest.mark.parametrize(
    ("ended", "facts", "move"),
    [
        (Returned(1), {}, Move.SUCCEED),
        (Returned(1), {"cancel_asked": True}, Move.SUCCEED),
        (failure(), {}, Move.FAIL),
        (failure(), {"cancel_asked": True}, Move.CANCEL),
        (failure(Cancel("done")), {}, Move.CANCEL),
        (failure(Snooze(5)), {}, Move.SNOOZE),
        (failure(Snooze(5)), {"cancel_asked": True}, Move.CANCEL),
        (failure(Retry(after=5)), {"cancel_asked": True}, Move.CANCEL),
        (TimedOut(3), {}, Move.FAIL),
        (TimedOut(3), {"cancel_asked": True}, Move.CANCEL),
        (CancelAsked(), {"cancel_asked": True}, Move.CANCEL),
        (CancelAsked(), {}, Move.CANCEL),
        (CancelAsked(), {"cancel_asked": True, "started": False}, Move.GIVE_BACK),
        (CancelAsked(), {"started": False, "persist": False}, Move.CANCEL),
        (Stopped(), {}, Move.INTERRUPT),
        (Stopped(), {"requeue": True}, Move.DRAIN),
        (Stopped(), {"requeue": True, "cancel_asked": True}, Move.CANCEL),
        (Stopped(), {"started": False}, Move.GIVE_BACK),
        (Lost(), {}, Move.LOSE),
        (Lost(), {"requeue": True}, Move.RESCUE),
        (Lost(), {"requeue": True, "cancel_asked": True}, Move.CANCEL),
        (Lost(), {"cancel_asked": True}, Move.CANCEL),
        (Lost(), {"started": False}, Move.GIVE_BACK),
        (Lost(), {"started": False, "interruptions": 3, "requeue": True}, Move.GIVE_BACK),
        (Lost(), {"started": False, "persist": False}, Move.ABANDON),
        (Lost(), {"persist": False}, Move.LOSE),
        (Unstarted(), {}, Move.UNSTART),
        (Unstarted(), {"started": False}, Move.GIVE_BACK),
        (Unstarted(), {"started": False, "persist": False}, Move.ABANDON),
    ],
)
def test_an_end_leads_to_its_move(ended, facts, move):
    assert verdict(ended, **facts).move is move


@pytest.mark.parametrize(
    ("ended", "facts", "error"),
    [
        (failure(), {}, "no such user"),
        (failure(asyncio.CancelledError()), {}, "CancelledError"),
        (failure(SystemExit(3)), {}, "3"),
        (failure(StopIteration()), {}, "StopIteration"),
        (failure(), {"cancel_asked": True}, "no such user"),
        (failure(Cancel("no stock")), {}, "no stock"),
        (failure(Cancel()), {}, "cancelled by the task"),
        (failure(Retry(reason="busy")), {}, "busy"),
        (TimedOut(2.5), {}, "timeout of 2.5 s"),
        (
            TimedOut(2.5, left_running=True),
            {},
            "could not be stopped, and was left running",
        ),
        (CancelAsked(), {}, "Cancelled on request"),
        (Stopped(), {}, "shut down"),
        (Stopped(), {"cancel_asked": True}, "Cancelled on request"),
        (Lost(), {}, "its instance died while it ran"),
        (Lost(), {"requeue": True}, "its instance died while it ran"),
        (Lost(), {"requeue": True, "interruptions": 3}, "4 instances"),
        (Lost("it fell"), {}, "Interrupted: it fell while it ran"),
        (Lost("it fell"), {"requeue": True, "interruptions": 3}, "4 processes"),
        (Lost(), {"cancel_asked": True}, "Cancelled on request"),
        (Unstarted(), {"started": False, "persist": False}, "before the task started"),
    ],
)
def test_an_error_says_what_happened(ended, facts, error):
    assert error in verdict(ended, **facts).error


@pytest.mark.parametrize(
    "ended", [Returned(None), failure(Snooze(1)), Unstarted(), CancelAsked()], ids=repr
)
def test_what_is_no_end_and_no_failure_has_no_error(ended):
    started = not isinstance(ended, CancelAsked)

    assert verdict(ended, started=started)[2:] == (None, None, None)


def test_a_failure_brings_its_stack_trace():
    assert verdict(failure()).stacktrace == "the stack trace"
    assert verdict(failure(), TaskConfig(retries=1)).stacktrace == "the stack trace"
    assert verdict(failure(), cancel_asked=True).stacktrace == "the stack trace"
    # It asked for that end: it is no failure.
    assert verdict(failure(Cancel("enough"))).stacktrace is None


# Retries


def test_a_failure_is_retried_while_retries_are_left():
    config = TaskConfig(retries=2, delay=3.0)

    moves = [verdict(failure(), config, failures=n) for n in range(4)]

    assert [(each.move, each.delay) for each in moves] == [
        (Move.RETRY, 3.0),
        (Move.RETRY, 3.0),
        (Move.FAIL, 0.0),
        (Move.FAIL, 0.0),
    ]


@pytest.mark.parametrize(
    "error",
    [SystemExit(), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()],
    ids=repr,
)
def test_whatever_a_function_raises_is_its_failure(error):
    assert verdict(failure(error)).move is Move.FAIL
    assert verdict(failure(error), TaskConfig(retries=1)).move is Move.RETRY


@pytest.mark.parametrize(
    ("retry_on", "no_retry_on", "error", "move"),
    [
        ((OSError,), (), ConnectionError(), Move.RETRY),
        ((OSError,), (), ValueError(), Move.FAIL),
        ((), (ValueError,), ValueError(), Move.FAIL),
        ((), (ValueError,), UnicodeError(), Move.FAIL),
        ((), (ValueError,), KeyError(), Move.RETRY),
        ((OSError,), (ConnectionError,), ConnectionError(), Move.FAIL),
        ((OSError,), (ConnectionError,), FileNotFoundError(), Move.RETRY),
    ],
)
def test_only_errors_of_the_given_types_are_retried(retry_on, no_retry_on, error, move):
    config = TaskConfig(retries=1, retry_on=retry_on, no_retry_on=no_retry_on)

    assert verdict(failure(error), config).move is move


def test_asking_for_a_retry_counts_as_a_failure_and_needs_one_to_be_left():
    config = TaskConfig(retries=1, delay=9.0, retry_on=(ValueError,), no_retry_on=(Exception,))

    assert verdict(failure(Retry(after=4)), config)[:2] == (Move.RETRY, 4.0)
    assert verdict(failure(Retry(after=0)), config)[:2] == (Move.RETRY, 0.0)
    assert verdict(failure(Retry()), config)[:2] == (Move.RETRY, 9.0)
    assert verdict(failure(Retry(after=4)), config, failures=1).move is Move.FAIL
    assert MOVES[Move.RETRY].failures == 1


def test_a_snooze_waits_without_spending_a_retry():
    found = verdict(failure(Snooze(60)), TaskConfig(retries=0), failures=5)

    assert found == Verdict(Move.SNOOZE, 60.0)
    assert MOVES[Move.SNOOZE].failures == 0


def group(*errors: BaseException) -> BaseException:
    return BaseExceptionGroup("several failed", errors)


class Renamed(ExceptionGroup):
    """Shows other parts than it has."""

    exceptions = property(lambda self: 1 / 0)


@pytest.mark.parametrize(
    ("retry_on", "no_retry_on", "error", "move"),
    [
        ((OSError,), (), group(ConnectionError()), Move.RETRY),
        ((OSError,), (), group(OSError(), group(ConnectionError())), Move.RETRY),
        ((OSError,), (), group(OSError(), group(ConnectionError(), KeyError())), Move.FAIL),
        ((), (KeyError,), group(OSError(), group(KeyError())), Move.FAIL),
        ((), (KeyError,), group(OSError(), group(ValueError())), Move.RETRY),
        ((ExceptionGroup,), (), group(ValueError()), Move.RETRY),
        ((ExceptionGroup,), (KeyError,), group(KeyError()), Move.FAIL),
        ((OSError,), (), Renamed("one", [OSError()]), Move.RETRY),
        # Words in company: the end beats all, an error beats waiting.
        ((), (), group(Cancel()), Move.CANCEL),
        ((), (KeyError,), group(KeyError(), Retry(), Snooze(1), Cancel()), Move.CANCEL),
        ((), (KeyError,), group(KeyError(), Retry(), Snooze(1)), Move.FAIL),
        ((OSError,), (), group(OSError(), Snooze(1)), Move.RETRY),
        ((OSError,), (Exception,), group(Retry(), Snooze(1)), Move.RETRY),
        ((OSError,), (Exception,), group(Snooze(1), group(Snooze(2))), Move.SNOOZE),
    ],
)
def test_the_leaves_of_a_group_decide(retry_on, no_retry_on, error, move):
    config = TaskConfig(retries=1, retry_on=retry_on, no_retry_on=no_retry_on)

    assert verdict(failure(error), config).move is move


def test_a_group_waits_as_long_as_its_most_patient_leaf():
    config = TaskConfig(retries=1, delay=9.0)

    assert verdict(failure(group(Retry(after=1), Retry(after=4))), config).delay == 4.0
    assert verdict(failure(group(OSError(), Snooze(60))), config).delay == 60.0
    assert verdict(failure(group(OSError(), Retry())), config).delay == 9.0
    assert verdict(failure(group(Snooze(1), Snooze(3)))).delay == 3.0


def test_a_cancel_beside_an_error_keeps_its_trace():
    assert verdict(failure(group(Cancel()))).stacktrace is None
    assert verdict(failure(group(Cancel(), KeyError()))).stacktrace == "the stack trace"


def test_a_group_of_shared_groups_is_looked_at_in_bounded_time():
    shared = group(KeyError())
    for _ in range(40):
        shared = group(shared, shared)

    assert verdict(failure(shared), TaskConfig(retries=1)).move is Move.RETRY


def test_a_timeout_is_retried_like_an_error():
    config = TaskConfig(retries=1, delay=2.0)

    assert verdict(TimedOut(1), config)[:2] == (Move.RETRY, 2.0)
    assert verdict(TimedOut(1), config, failures=1).move is Move.FAIL
    assert verdict(TimedOut(1), replace(config, retry_on=(TimeoutError,))).move is Move.RETRY
    assert verdict(TimedOut(1), replace(config, retry_on=(ValueError,))).move is Move.FAIL
    assert verdict(TimedOut(1), replace(config, no_retry_on=(TimeoutError,))).move is Move.FAIL


def test_a_thread_that_was_left_running_is_retried_only_if_the_task_names_timeouts():
    left = TimedOut(1, left_running=True)
    config = TaskConfig(retries=1)

    assert verdict(left, config).move is Move.FAIL
    # TimeoutError is an OSError, but nobody thinks of that when they list OSError.
    assert verdict(left, replace(config, retry_on=(OSError,))).move is Move.FAIL
    assert verdict(left, replace(config, retry_on=(TimeoutError,))).move is Move.RETRY
    assert verdict(left, TaskConfig(retry_on=(TimeoutError,))).move is Move.FAIL


# Delays


@pytest.mark.parametrize(
    ("config", "delays"),
    [
        (TaskConfig(delay=2.0), [2.0, 2.0, 2.0]),
        (TaskConfig(delay=2.0, backoff=3.0), [2.0, 6.0, 18.0]),
        (TaskConfig(delay=2.0, backoff=3.0, max_delay=10.0), [2.0, 6.0, 10.0]),
        (TaskConfig(delay=8.0, backoff=0.5), [8.0, 4.0, 2.0]),
        (TaskConfig(delay=8.0, backoff=0.0), [8.0, 0.0, 0.0]),
        (TaskConfig(delay=0.0, backoff=3.0), [0.0, 0.0, 0.0]),
        (TaskConfig(delay=5, backoff=1, max_delay=0), [0.0, 0.0, 0.0]),
    ],
)
def test_delays_grow_by_the_backoff_up_to_the_longest(config, delays):
    assert [retry_delay(config, n, chance()) for n in (1, 2, 3)] == delays


seconds = st.floats(0, 1e308)


@given(
    delay=seconds,
    backoff=seconds,
    max_delay=st.none() | seconds,
    jitter=st.floats(0, 1),
    n=st.integers(1, 10_000),
    seed=st.integers(0, 100),
)
def test_a_delay_is_within_its_bounds(delay, backoff, max_delay, jitter, n, seed):
    config = TaskConfig(delay=delay, backoff=backoff, max_delay=max_delay)
    base = retry_delay(config, n, chance(seed))

    found = retry_delay(replace(config, jitter=jitter), n, chance(seed))

    assert math.isfinite(found)
    assert base * (1 - jitter) <= found <= base
    assert 0 <= base <= min(LONGEST_DELAY_SECONDS, math.inf if max_delay is None else max_delay)
    if n == 1 and delay <= LONGEST_DELAY_SECONDS and max_delay is None:
        assert base == delay


def test_jitter_spreads_tasks_that_failed_together():
    config, random = TaskConfig(delay=10.0, jitter=0.5, max_delay=10.0), chance()

    delays = {retry_delay(config, 1, random) for _ in range(100)}

    assert len(delays) == 100
    assert min(delays) < 6
    assert max(delays) > 9


def test_no_wait_leaves_the_calendar():
    assert verdict(failure(Snooze(1e300))).delay == LONGEST_DELAY_SECONDS
    far = verdict(failure(Retry(after=1e300)), TaskConfig(retries=1))
    assert far.delay == LONGEST_DELAY_SECONDS


# Deaths


def test_a_poisonous_task_is_rescued_ever_later_and_then_given_up():
    found = [verdict(Lost(), requeue=True, interruptions=n) for n in range(5)]

    assert [(each.move, each.delay) for each in found] == [
        (Move.RESCUE, 0.0),
        (Move.RESCUE, 5.0),
        (Move.RESCUE, 10.0),
        (Move.LOSE, 0.0),
        (Move.LOSE, 0.0),
    ]


def test_a_rescue_waits_at_most_five_minutes():
    assert [rescue_delay(n) for n in (1, 2, 3, 4, 8, 9, 10_000)] == [0, 5, 10, 20, 300, 300, 300]


def test_the_quarantine_takes_the_second_half_of_the_deaths():
    assert (QUARANTINE_FROM, POISON_CAP) == (2, 4)


# Whatever happens

errors = st.sampled_from(
    [
        *(ValueError("x"), KeyError(), SystemExit(), Retry(), Retry(after=3), Snooze(2), Cancel()),
        *(group(ValueError(), Retry()), group(Snooze(1), group(Cancel())), group(Snooze(1))),
    ]
)
ends = st.one_of(
    st.builds(Returned, st.none()),
    st.builds(Raised, errors, st.just("trace")),
    st.builds(TimedOut, st.floats(0.1, 10), st.booleans()),
    st.sampled_from([Stopped(), Lost(), Unstarted(), CancelAsked()]),
)
facts = st.builds(
    Facts,
    failures=st.integers(0, 5),
    interruptions=st.integers(0, 5),
    persist=st.booleans(),
    requeue=st.booleans(),
    cancel_asked=st.booleans(),
    started=st.booleans(),
)
configs = st.builds(
    TaskConfig,
    retries=st.integers(0, 5),
    delay=st.floats(0, 100),
    backoff=st.floats(0, 10),
    jitter=st.floats(0, 1),
    retry_on=st.sampled_from([(), (ValueError,), (TimeoutError,)]),
    no_retry_on=st.sampled_from([(), (KeyError,)]),
)


@given(configs, facts, ends)
def test_every_end_has_a_lawful_move(config, known, ended):
    found = decide(config, known, ended, random=chance())
    rule = MOVES[found.move]

    # The function was called, so the task is RUNNING.
    called = isinstance(ended, Returned | Raised | TimedOut)
    if called or known.started:
        assert rule.source is TaskStatus.RUNNING
    elif known.persist:
        assert rule.source is TaskStatus.PENDING
    assert found.delay >= 0
    assert rule.target not in TERMINAL or found.delay == 0
    # A terminal state that is no success says why.
    assert (found.error is None) == (rule.target in (TaskStatus.SUCCESS, TaskStatus.PENDING)) or (
        found.move in (Move.RETRY, Move.RESCUE)
    )


@given(configs, facts, ends)
def test_a_wish_to_cancel_beats_all_but_a_result(config, known, ended):
    found = decide(config, known._replace(cancel_asked=True, started=True), ended, random=chance())

    if isinstance(ended, Returned):
        assert found.move is Move.SUCCEED
    else:
        rule = MOVES[found.move]
        assert found.move is Move.CANCEL or (rule.yields_to_cancel and found.move is Move.UNSTART)


@given(configs, ends, st.booleans(), st.booleans())
def test_a_task_never_fails_more_often_than_it_may(config, ended, persist, requeue):
    """However often it ends like this, it is retried `retries` times and dies four times."""
    known = Facts(0, 0, persist, requeue, False, True)
    moves: list[Move] = []
    for _ in range(20):
        move = decide(config, known, ended, random=chance()).move
        moves.append(move)
        rule = MOVES[move]
        if rule.target in TERMINAL:
            break
        known = known._replace(
            failures=known.failures + rule.failures,
            interruptions=known.interruptions + rule.interruptions,
        )

    assert moves.count(Move.RETRY) <= config.retries
    assert moves.count(Move.RESCUE) <= POISON_CAP - 1
    if Move.FAIL in moves and Move.RETRY in moves:
        assert moves.count(Move.RETRY) == config.retries
    for move in (Move.DRAIN, Move.UNSTART, Move.SNOOZE, Move.GIVE_BACK):
        assert (MOVES[move].failures, MOVES[move].interruptions) == (0, 0)


@pytest.mark.parametrize("word", [Snooze, lambda wrong: Retry(after=wrong)])
@pytest.mark.parametrize("wrong", [-1, math.nan, math.inf, True, "5", 10**400, timedelta(1)])
def test_a_wait_that_is_no_length_of_time_is_refused(word: Any, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="takes seconds from 0 up"):
        word(wrong)


class _Forgot(Snooze):
    """Never says how long."""

    def __init__(self, **values: Any) -> None:
        Exception.__init__(self, "later")
        vars(self).update(values)


class _ByClass(_Forgot):
    seconds = 7


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1, "soon", None, True])
def test_a_snooze_for_no_time_is_an_error_as_others_are(seconds: Any) -> None:
    found = verdict(failure(_Forgot(seconds=seconds)), TaskConfig(retries=0))

    assert found.move is Move.FAIL
    assert verdict(failure(_Forgot())).move is Move.FAIL


def test_a_class_may_say_how_long_its_snooze_is() -> None:
    assert verdict(failure(_ByClass())) == Verdict(Move.SNOOZE, 7.0)
