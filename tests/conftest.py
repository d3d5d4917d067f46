"""What every test of the project shares."""

import os

import pytest
from hypothesis import settings

# Failures inside the shipped suites are shown like those of tests. Here, because it must
# come before anything imports them.
pytest.register_assert_rewrite("fastapi_taskflow.testing")

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
