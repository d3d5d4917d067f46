"""Slots of a schedule, over instances that are killed and clocks that disagree."""

import pytest

from trust.schedules import run

pytestmark = pytest.mark.crash


def test_each_slot_is_one_task_whoever_is_killed_and_whose_clock_is_ahead(tmp_path):
    found = run(tmp_path, 2.0, ahead=20)

    assert found.slots >= 15
    assert (found.missing, found.doubled, found.ran_twice) == ([], [], [])
