"""Memory does not grow with the tasks that went through a process."""

import logging
from pathlib import Path

import pytest

from trust.soak import growth_mb, soak

pytestmark = pytest.mark.slow

# All bounded stores together hold the newest 10,000 tasks.
FULL = 15_000
TASKS = 25_000
# Some thousand kept tasks more would be as much.
SLACK_MB = 4.0


async def test_memory_is_flat_once_all_stores_are_full(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="fastapi_taskflow")

    samples = await soak(TASKS, every=5_000)

    assert growth_mb(samples, FULL) < SLACK_MB, samples


async def test_no_task_of_many_on_sqlite_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="fastapi_taskflow")

    samples = await soak(3_000, db=tmp_path / "tasks.db", every=500)

    assert growth_mb(samples, 1_500) < SLACK_MB, samples
