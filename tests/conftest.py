"""What every test of the project shares."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# Failures inside the shipped suites are shown like those of tests. Here, because it must
# come before anything imports them.
pytest.register_assert_rewrite("fastapi_taskflow.testing")

# `tmp_path` is in memory, where the system has enough of that: a store waits for the disk some
# fifty times from its start to its end, and what tests prove is not the disk's. pytest asks when
# the first test does.
MEMORY = Path("/dev/shm")  # noqa: S108  (pytest makes a directory of its own in it)
ENOUGH_BYTES = 2 * 1024**3
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# A busy machine is slow, not wrong.
settings.register_profile("default", deadline=None)
# In CI the same examples run every time: a red run means that the change is at fault.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
# For `make test-fast`: --hypothesis-profile=fast.
settings.register_profile("fast", deadline=None, max_examples=20)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture
def anyio_backend() -> str:
    """The library runs on asyncio."""
    return "asyncio"
