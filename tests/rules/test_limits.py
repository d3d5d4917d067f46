"""What is refused, whatever it is; and that what is taken is plain."""

import math
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import Enum, IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_taskflow.exceptions import ConfigurationError, TaskArgumentError
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.quoting import quoted


class Hostile:
    """Raises from whatever it is asked, even for its class."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"asked for {name}")

    def __repr__(self) -> str:
        raise RuntimeError("asked for a text")

    __str__ = __repr__
    __eq__ = __hash__ = __bool__ = __len__ = __index__ = __float__ = __repr__  # type: ignore[assignment]


class Liar:
    """Says that it is a number."""

    __class__ = property(lambda _: int)


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("asked for a text")


class Priority(IntEnum):
    HIGH = 9


class Word(str, Enum):  # noqa: UP042  (as users write it)
    MAIL = "mail"


class Nowhere(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta | None:
        raise RuntimeError("no offset")

    dst = utcoffset

    def tzname(self, _: datetime | None) -> str:
        raise RuntimeError("no name")


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.lists(st.integers()),
    st.datetimes(),
    st.sampled_from([Liar(), Loud("x"), Priority.HIGH, Word.MAIL, 10**5000, -(2**70)]),
)
CHECKS: list[Any] = [
    limits.whole,
    limits.number,
    limits.span,
    limits.switch,
    limits.printable,
    limits.moment,
    lambda what, value, **how: limits.text(what, value, most=100, **how),
]
PLAIN = (int, float, bool, str, datetime)


@pytest.mark.parametrize("check", CHECKS)
@given(value=anything)
def test_a_check_gives_a_plain_value_or_refuses(check: Any, value: Any) -> None:
    for error in (ConfigurationError, TaskArgumentError):
        try:
            outcome = check("setting", value, error=error)
        except error as refused:
            outcome = str(refused)
            told = outcome.startswith("setting takes ")
            assert told
        assert type(outcome) in PLAIN


def test_no_code_of_the_value_runs() -> None:
    for check in CHECKS:
        with pytest.raises(ConfigurationError, match=r"got an object of .*Hostile\.$"):
            check("setting", Hostile())


@given(value=anything)
def test_what_is_quoted_is_short_and_can_be_shown(value: Any) -> None:
    text = quoted(value)

    assert len(text) < 400
    assert text.isprintable()


@pytest.mark.parametrize(
    "value", ["5", 1.0, True, 2**31, -(2**31) - 1, math.nan, None, pytest.param(Liar(), id="liar")]
)
def test_only_whole_numbers_of_32_bits_are_whole(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="32 bits"):
        limits.whole("priority", value)


@pytest.mark.parametrize("value", [2**31 - 1, -(2**31), 0, Priority.HIGH])
def test_every_whole_number_of_32_bits_is_taken(value: int) -> None:
    assert limits.whole("priority", value) == value


def test_words_are_taken_as_plain_text() -> None:
    assert type(limits.printable("queue", Word.MAIL)) is str
    assert limits.printable("queue", Word.MAIL) == "mail"
    assert limits.text("key", Loud("k"), most=9) == "k"


@pytest.mark.parametrize("value", ["a\0b", "half \ud800", "", "x" * 11])
def test_text_that_no_store_keeps_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="key takes"):
        limits.text("key", value, most=10)


@pytest.mark.parametrize("value", ["a\nb", "\x1b[31m", "\u202e", "\ufeff", ""])
def test_a_name_can_be_printed(value: str) -> None:
    with pytest.raises(ConfigurationError, match="printable"):
        limits.printable("name", value)


def test_a_time_without_a_zone_is_in_utc() -> None:
    naive = datetime(2030, 1, 2, 3, 4, 5, 6)  # noqa: DTZ001  (that is the point)
    west = datetime(2030, 1, 1, 22, 4, 5, 6, tzinfo=timezone(timedelta(hours=-5)))

    assert limits.moment("run_at", naive) == limits.moment("run_at", west)
    assert limits.moment("run_at", naive).tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
        datetime(9999, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, tzinfo=UTC),
        datetime(2030, 1, 1, tzinfo=Nowhere()),
        1_900_000_000,
        "2030-01-01",
    ],
)
def test_an_instant_that_not_every_store_can_say_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="run_at takes a datetime"):
        limits.moment("run_at", value)


def test_the_ends_of_the_calendar_are_taken() -> None:
    for moment in (datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, tzinfo=UTC)):
        assert limits.moment("run_at", moment) == moment


def test_a_span_ends_somewhere() -> None:
    assert limits.span("delay", limits.LONGEST_DELAY_SECONDS) == limits.LONGEST_DELAY_SECONDS
    with pytest.raises(ConfigurationError, match="from 0 up, at most 315360000, got 1000"):
        limits.span("delay", 1e12)
    with pytest.raises(ConfigurationError, match=r"seconds above 0, got 0\."):
        limits.span("timeout", 0, above=True)


def test_a_span_says_what_a_timedelta_lacks() -> None:
    with pytest.raises(ConfigurationError, match="total_seconds"):
        limits.span("delay", timedelta(hours=1))


def test_quoting_runs_no_code_of_the_value() -> None:
    assert quoted(Hostile()).endswith("Hostile")
    assert quoted([Hostile()]) == "a list of 1"
    assert quoted("x" * 1_000_000).endswith("(1000000 long)")
    assert quoted(datetime(2030, 1, 1, tzinfo=Nowhere())) == "2030-01-01T00:00:00"
