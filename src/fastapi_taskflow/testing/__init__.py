"""For tests of applications and of backend drivers.

`drain` waits until an app's tasks are done, `async_drain` on an event loop; `isolated` gives
a manager a store of its own for one test.
`fastapi_taskflow.testing.conformance` and `fastapi_taskflow.testing.statemachine` prove a
backend driver; they need the extra ``conformance``, so they are imported by name.
"""

from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.draining import async_drain, drain
from fastapi_taskflow.testing.isolation import isolated

__all__ = ["ManualClock", "async_drain", "drain", "isolated"]
