"""`SqlBackend` against the model of a store."""

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.sql import SqlBackend
from fastapi_taskflow.testing.loginmachine import LoginStateMachine
from fastapi_taskflow.testing.statemachine import BackendStateMachine, profile
from fastapi_taskflow.words.clock import Clock

# Its connections are threads: a step costs ten times what it does in other drivers. So there
# are fewer examples, in parts, each a test of its own.
PARTS = 4
SOME = settings(profile(), max_examples=max(5, profile().max_examples // 20))


class SqlMachine(BackendStateMachine):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SqlBackend(place / "tasks.db", clock=clock)


class SqlLoginMachine(LoginStateMachine):
    def make_backend(self, clock: Clock, place: Path) -> Backend:
        return SqlBackend(place / "tasks.db", clock=clock)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_driver_does_what_the_model_says(part):
    run_state_machine_as_test(SqlMachine, settings=SOME)


def test_sign_in_does_what_its_model_says():
    run_state_machine_as_test(SqlLoginMachine, settings=SOME)
