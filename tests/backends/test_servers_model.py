"""Stores on servers against the model of a store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from fastapi_taskflow import MySQLBackend, PostgresBackend
from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.testing.loginmachine import LoginStateMachine
from fastapi_taskflow.testing.statemachine import BackendStateMachine, profile
from fastapi_taskflow.words.clock import Clock
from tests.support.databases import TestDatabase, database

# A step is many round trips. So there are fewer examples, in parts, each a test of its own.
PARTS = 2
SOME = settings(profile(), max_examples=max(5, profile().max_examples // 20))
KINDS: dict[str, Callable[..., Backend]] = {"postgresql": PostgresBackend, "mysql": MySQLBackend}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    with database(request.param) as made:
        yield made


def on(server: TestDatabase, clock: Clock) -> Backend:
    server.empty()
    return KINDS[server.url.partition(":")[0]](server.url, clock=clock)


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
