"""For tests of applications and of backend drivers.

`fastapi_taskflow.testing.conformance` and `fastapi_taskflow.testing.statemachine` prove a
backend driver; they need pytest with anyio, and hypothesis, so they are imported by name.
"""

from fastapi_taskflow.testing.clock import ManualClock

__all__ = ["ManualClock"]
