"""Order and limits, over workers that are killed."""

import pytest

from trust.flow import run

pytestmark = pytest.mark.crash


def test_no_order_and_no_limit_is_broken_whoever_is_killed(tmp_path):
    found = run(tmp_path, number=100, kills=4, seed=3)

    assert found.faults == []
    assert found.ran >= 80
    assert 1 <= found.most <= 2
