"""Sign-in against a model: sessions and buckets, under any order of steps.

Subclass `LoginStateMachine` as `statemachine.BackendStateMachine`. The model keeps all it
ever heard and reckons in tokens, drivers delete rows and reckon in dates; so a row that is
deleted too early, or kept and counted too long, shows as a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from fastapi_taskflow.backends.buckets import Bucket
from fastapi_taskflow.backends.logins import LoginSession
from fastapi_taskflow.testing.conformance.harness import logins_of
from fastapi_taskflow.testing.driver import DriverMachine

__all__ = ["LoginStateMachine"]

_IDLE = 100.0
_NOTE_AFTER = timedelta(seconds=10)
_USERS = ["ann", "bob"]
_BUCKETS = [
    Bucket("plain", 3, 4.0),
    Bucket("growing", 2, 4.0, delay=1.0, longest=32.0),
    Bucket("single", 1, 2.0, delay=8.0, longest=20.0),
]

_users = st.sampled_from(_USERS)
_buckets = st.lists(st.sampled_from(_BUCKETS), unique=True)
_seeds = st.integers(0, 0xFFFF)


@dataclass
class _Tokens:
    """What is left of a bucket: ``tokens`` at second ``at``, none before."""

    tokens: float
    at: float
    strikes: int = 0


class LoginStateMachine(DriverMachine):
    """The steps. Each is done to the driver and to the model, and the answers compared."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, LoginSession] = {}
        self.buckets: dict[str, _Tokens] = {}
        self.opened = 0

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 4.0, 9.0, 12.0, 60.0, 200.0]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # Sessions

    @rule(user=_users, life=st.sampled_from([30.0, 150.0, 1_000.0]))
    def open(self, user: str, life: float) -> None:
        self.opened += 1
        token, now = f"t{self.opened}", self.clock.now()
        session = LoginSession(token, user, "role", now, now + timedelta(seconds=life), now)
        assert self._open(session) == session
        self.sessions[token] = session

    @rule(seed=_seeds)
    def open_again(self, seed: int) -> None:
        live = [one for one in self.sessions.values() if self._is_live(one)]
        if live:
            session = live[seed % len(live)]
            assert self._open(session) == session

    def _open(self, session: LoginSession) -> LoginSession:
        life = (session.expires_at - session.created_at).total_seconds()
        key, user, role, *_ = session
        return self.call(
            logins_of(self.backend).open_session, key, user, role, life=life, idle=_IDLE
        )

    @rule(seed=_seeds)
    def find(self, seed: int) -> None:
        token = f"t{seed % (self.opened + 1)}"
        expected = self.sessions.get(token)
        if expected is not None and self._is_live(expected):
            if self.clock.now() - expected.seen_at >= _NOTE_AFTER:
                expected = expected._replace(seen_at=self.clock.now())
            self.sessions[token] = expected
        else:
            expected = None
        assert self.call(logins_of(self.backend).find_session, token, idle=_IDLE) == expected

    @rule(seed=_seeds, user=st.none() | _users)
    def close_one(self, seed: int, user: str | None) -> None:
        self._close(f"t{seed % (self.opened + 1)}", user)

    @rule(user=st.none() | _users)
    def close_many(self, user: str | None) -> None:
        self._close(None, user)

    def _close(self, token: str | None, user: str | None) -> None:
        gone = [
            one
            for one in self.sessions.values()
            if token in (None, one.token_hash) and user in (None, one.user)
        ]
        closed = self.call(logins_of(self.backend).close_sessions, token_hash=token, user=user)
        # Ones that have run out may be there still.
        assert sum(map(self._is_live, gone)) <= closed <= len(gone)
        for one in gone:
            del self.sessions[one.token_hash]

    def _is_live(self, session: LoginSession) -> bool:
        now = self.clock.now()
        return now < session.expires_at and now <= session.seen_at + timedelta(seconds=_IDLE)

    # Buckets

    @rule(buckets=_buckets)
    def take(self, buckets: list[Bucket]) -> None:
        expected = max([self._wait(bucket) for bucket in buckets], default=0.0)
        if expected == 0:
            for bucket in buckets:
                self._take(bucket)
        assert self.call(logins_of(self.backend).take_tokens, buckets) == expected

    @rule(bucket=st.sampled_from(_BUCKETS))
    def insist(self, bucket: Bucket) -> None:
        """Take a token as soon as there is one, which chance alone would make rare."""
        self.clock.advance(self._wait(bucket))
        self.take([bucket])

    @rule(buckets=_buckets)
    def forget(self, buckets: list[Bucket]) -> None:
        for bucket in buckets:
            self.buckets.pop(bucket.name, None)
        self.call(logins_of(self.backend).forget_buckets, [bucket.name for bucket in buckets])

    def _present(self, bucket: Bucket) -> _Tokens:
        now = self.clock.monotonic()
        kept = self.buckets.get(bucket.name) or _Tokens(bucket.capacity, now)
        if now <= kept.at:
            return kept
        brought = kept.tokens + (now - kept.at) / bucket.refill
        # One refill more than there is room for: its past is forgotten.
        strikes = 0 if brought >= bucket.capacity + 1 else kept.strikes
        return _Tokens(min(bucket.capacity, brought), now, strikes)

    def _wait(self, bucket: Bucket) -> float:
        return self._present(bucket).at - self.clock.monotonic()

    def _take(self, bucket: Bucket) -> None:
        present = self._present(bucket)
        left, strikes = present.tokens - 1, present.strikes
        if left >= 1:
            self.buckets[bucket.name] = _Tokens(left, present.at, strikes)
        else:
            grown = min(bucket.delay * 2**strikes, bucket.longest)
            until = present.at + max((1 - left) * bucket.refill, grown)
            self.buckets[bucket.name] = _Tokens(1, until, strikes + 1)
