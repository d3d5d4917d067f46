"""The contract of a backend driver, as tests.

Subclass `BackendConformance` in a test module of your own and say how to make your
backend; pytest with anyio does the rest::

    class TestMyBackend(BackendConformance):
        def make_backend(self, clock, place):
            return MyBackend(place / "store", clock=clock)

For readable failures call ``pytest.register_assert_rewrite("fastapi_taskflow.testing")``
in ``conftest.py`` first. `fastapi_taskflow.testing.statemachine` has the other half.
"""

from fastapi_taskflow.testing.conformance.admission import Inserting, RepeatedInserts
from fastapi_taskflow.testing.conformance.claims import Claiming, ClaimOrder, Quarantine
from fastapi_taskflow.testing.conformance.keys import Aliases, Keys
from fastapi_taskflow.testing.conformance.limits import QueueLimits
from fastapi_taskflow.testing.conformance.outcomes import Finishing, Starting
from fastapi_taskflow.testing.conformance.retrying import KeysOfRetries, ManualRetry

__all__ = ["BackendConformance"]


class BackendConformance(
    Inserting,
    RepeatedInserts,
    QueueLimits,
    Keys,
    Aliases,
    ManualRetry,
    KeysOfRetries,
    Claiming,
    ClaimOrder,
    Quarantine,
    Starting,
    Finishing,
):
    """Every rule of the storage port. Override `make_backend`, and `open_second` if needed."""
