"""Failures inside the shipped suites are shown like those of tests."""

import pytest

pytest.register_assert_rewrite("fastapi_taskflow.testing")
