"""Callbacks of batches, over workers and clients that are killed."""

import pytest

from trust.batches import run

pytestmark = pytest.mark.crash


def test_each_callback_is_called_once_whoever_is_killed(tmp_path):
    found = run(tmp_path, number=30, kills=8, seed=7)

    assert found.faults == []
    assert found.batches >= 30
