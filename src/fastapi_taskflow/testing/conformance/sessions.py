"""Sessions: shared by all instances, ended by time, by idleness and by whoever revokes them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.logins import MOST_SESSIONS, LoginSession
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import Conformance, logins_of

LIFE = 43_200.0
IDLE = 1_800.0


async def sign_in(backend: Backend, token: str, user: str = "ann") -> LoginSession:
    """Open a session with the usual terms."""
    return await logins_of(backend).open_session(token, user, "viewer", life=LIFE, idle=IDLE)


async def found(backend: Backend, *tokens: str) -> list[str]:
    """Those of the tokens whose sessions are live."""
    sessions = [await logins_of(backend).find_session(token, idle=IDLE) for token in tokens]
    return [one.token_hash for one in sessions if one is not None]


class Sessions(Conformance):
    """A session lives as long as its terms say."""

    async def test_a_session_is_found_as_it_was_opened(
        self, store: Backend, clock: ManualClock
    ) -> None:
        now = clock.now()

        opened = await logins_of(store).open_session(
            "t", "änn'\"🧨", "operator", life=LIFE, idle=IDLE
        )

        end = now + timedelta(seconds=LIFE)
        assert opened == LoginSession("t", "änn'\"🧨", "operator", now, end, now)
        assert await logins_of(store).find_session("t", idle=IDLE) == opened
        assert await logins_of(store).find_session("T", idle=IDLE) is None

    async def test_opening_again_answers_the_session_as_it_is(
        self, store: Backend, clock: ManualClock
    ) -> None:
        opened = await sign_in(store, "t")
        clock.advance(30)

        again = await logins_of(store).open_session("t", "bob", "admin", life=LIFE, idle=IDLE)

        assert again == opened
        assert await logins_of(store).close_sessions() == 1

    async def test_a_session_ends_at_its_end_however_busy_it_is(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await logins_of(store).open_session("t", "ann", "viewer", life=3_000.0, idle=IDLE)

        for _ in range(2):
            clock.advance(1_000)
            assert await found(store, "t") == ["t"]
        clock.advance(999.999)
        assert await found(store, "t") == ["t"]
        clock.advance(0.001)

        assert await found(store, "t") == []

    async def test_a_session_ends_when_nobody_uses_it(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await sign_in(store, "used")
        await sign_in(store, "unused")

        clock.advance(IDLE)
        assert await found(store, "used") == ["used"]
        clock.advance(1)

        assert await found(store, "used", "unused") == ["used"]

    async def test_a_session_that_ended_stays_ended_for_more_patient_readers(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await logins_of(store).open_session("t", "ann", "viewer", life=60.0, idle=IDLE)

        clock.advance(60)

        assert await logins_of(store).find_session("t", idle=LIFE) is None

    async def test_a_use_is_noted_once_a_minute(self, store: Backend, clock: ManualClock) -> None:
        opened = await sign_in(store, "t")

        clock.advance(59)
        first = await logins_of(store).find_session("t", idle=IDLE)
        clock.advance(1)
        second = await logins_of(store).find_session("t", idle=IDLE)
        noted_at = clock.now()
        clock.advance(59)
        third = await logins_of(store).find_session("t", idle=IDLE)

        assert first == opened
        assert second == third == opened._replace(seen_at=noted_at)

    @pytest.mark.parametrize("idle", [2.0, 10.0])
    async def test_short_idle_times_are_kept_by_whoever_is_busy(
        self, store: Backend, clock: ManualClock, idle: float
    ) -> None:
        await logins_of(store).open_session("t", "ann", "viewer", life=LIFE, idle=idle)

        for _ in range(10):
            clock.advance(idle * 0.8)
            assert await logins_of(store).find_session("t", idle=idle) is not None
        clock.advance(idle * 1.1)

        assert await logins_of(store).find_session("t", idle=idle) is None

    async def test_a_use_on_one_instance_counts_on_the_other(
        self, backend: Backend, second: Backend, clock: ManualClock
    ) -> None:
        await sign_in(backend, "t")

        clock.advance(IDLE - 1)
        assert await found(second, "t") == ["t"]
        clock.advance(IDLE - 1)

        assert await found(backend, "t") == ["t"]

    async def test_a_user_keeps_the_newest_sessions(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await sign_in(store, "of-bob", "bob")
        tokens = [f"t{number}" for number in range(MOST_SESSIONS + 2)]

        for token in tokens:
            await sign_in(store, token)
            clock.advance(0.001)

        assert await found(store, "of-bob", *tokens) == ["of-bob", *tokens[2:]]
        assert await logins_of(store).close_sessions(user="ann") == MOST_SESSIONS

    async def test_what_ran_out_does_not_pile_up_behind_what_is_used(
        self, store: Backend, clock: ManualClock
    ) -> None:
        await sign_in(store, "used")

        for number in range(20):
            await sign_in(store, f"t{number}", f"user{number}")
            clock.advance(IDLE * 0.6)
            assert await found(store, "used") == ["used"]

        # The one in use, the last two, and one that ran out since the last was opened.
        assert await logins_of(store).close_sessions() <= 4


class Revoking(Conformance):
    """A session that is closed is closed everywhere, at once and for good."""

    async def test_a_session_closed_on_one_instance_is_gone_on_the_other(
        self, backend: Backend, second: Backend
    ) -> None:
        await sign_in(backend, "t")
        await sign_in(backend, "other")
        assert await found(second, "t", "other") == ["t", "other"]

        assert await logins_of(second).close_sessions(token_hash="t") == 1  # noqa: S106  (no secret)

        assert await found(backend, "t", "other") == ["other"]
        assert await found(second, "t", "other") == ["other"]

    async def test_all_sessions_of_a_user_close_together(
        self, backend: Backend, second: Backend
    ) -> None:
        await sign_in(backend, "t1")
        await sign_in(second, "t2")
        await sign_in(backend, "of-bob", "bob")

        assert await logins_of(backend).close_sessions(user="ann") == 2

        assert await found(second, "t1", "t2", "of-bob") == ["of-bob"]

    async def test_everybody_can_be_signed_out(self, backend: Backend, second: Backend) -> None:
        await sign_in(backend, "t")
        await sign_in(second, "of-bob", "bob")

        assert await logins_of(backend).close_sessions() == 2

        assert await found(second, "t", "of-bob") == []

    async def test_a_token_of_somebody_else_is_left_open(self, store: Backend) -> None:
        await sign_in(store, "t")

        assert await logins_of(store).close_sessions(token_hash="t", user="bob") == 0  # noqa: S106
        assert await found(store, "t") == ["t"]
        assert await logins_of(store).close_sessions(token_hash="t", user="ann") == 1  # noqa: S106

    async def test_closing_again_closes_nothing(self, store: Backend) -> None:
        await sign_in(store, "t")
        await logins_of(store).close_sessions(user="ann")

        assert await logins_of(store).close_sessions(user="ann") == 0
        assert await logins_of(store).close_sessions(token_hash="t") == 0  # noqa: S106
        assert await logins_of(store).close_sessions() == 0

    async def test_a_use_noted_at_the_same_time_brings_no_session_back(
        self, backend: Backend, second: Backend, clock: ManualClock
    ) -> None:
        tokens = [f"t{number}" for number in range(20)]
        for token in tokens:
            await sign_in(backend, token)
        # The next use is noted.
        clock.advance(60)

        await asyncio.gather(
            *(found(backend, token) for token in tokens),
            logins_of(second).close_sessions(user="ann"),
            *(found(second, token) for token in tokens),
        )

        assert await found(backend, *tokens) == []
        assert await logins_of(backend).close_sessions() == 0
