"""Redis against the model of a store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.redis import RedisBackend
from fastapi_taskflow.testing.loginmachine import LoginStateMachine
from fastapi_taskflow.testing.statemachine import BackendStateMachine, profile
from fastapi_taskflow.words.clock import Clock
from tests.support.redisserver import TestRedis, redis_server

# A step is some round trips. So there are fewer examples, in parts, each a test of its own.
PARTS = 2
SOME = settings(profile(), max_examples=max(5, profile().max_examples // 10))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[TestRedis]:
    with redis_server() as made:
        yield made


def on(server: TestRedis, clock: Clock) -> Backend:
    server.empty()
    return RedisBackend(server.url, server.prefix, clock=clock)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_driver_does_what_the_model_says(server, part):
    class Machine(BackendStateMachine):
        def make_backend(self, clock: Clock, place: Path) -> Backend:
            return on(server, clock)

    run_state_machine_as_test(Machine, settings=SOME)


def test_sign_in_does_what_its_model_says(server):
    class Machine(LoginStateMachine):
        def make_backend(self, clock: Clock, place: Path) -> Backend:
            return on(server, clock)

    run_state_machine_as_test(Machine, settings=SOME)
