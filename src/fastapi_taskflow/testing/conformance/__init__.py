"""The contracts of backends and of executors, as tests.

Subclass `BackendConformance` in a test module of your own and say how to make your
backend; pytest with anyio does the rest::

    class TestMyBackend(BackendConformance):
        def make_backend(self, clock, place):
            return MyBackend(place / "store", clock=clock)

For readable failures call ``pytest.register_assert_rewrite("fastapi_taskflow.testing")``
in ``conftest.py`` first. `fastapi_taskflow.testing.statemachine` has the other half, and
`fastapi_taskflow.testing.loginmachine` that of sign-in.

An executor is proven in the same way; its class says what it can do::

    class TestMyExecutor(ExecutorConformance):
        stops = True  # a run can be ended, whatever its function does

        def make_executor(self):
            return MyExecutor(slots=4)
"""

try:
    import anyio  # noqa: F401  (asked for its being there)
    import hypothesis  # noqa: F401
    import pytest  # noqa: F401
except ModuleNotFoundError as exc:
    raise ImportError(
        f"The proofs of a driver need {exc.name}: pip install 'fastapi-taskflow[conformance]'."
    ) from exc

from fastapi_taskflow.testing.conformance import (
    admission,
    ageing,
    allowing,
    auditing,
    batch_ends,
    batching,
    cancelling,
    chains,
    claims,
    clocks,
    conflicts,
    contents,
    ends,
    failing,
    filtering,
    fleet,
    history,
    joining,
    keyrates,
    keys,
    leases,
    limits,
    mirror_counts,
    mirroring,
    onlooking,
    outcomes,
    pacing,
    pausing,
    poison,
    purging,
    quarantine,
    races,
    reading,
    retrying,
    rollups,
    scheduling,
    sessions,
    signing,
    stops,
    telling,
    throttling,
    turns,
    waits,
)

__all__ = ["BackendConformance", "ExecutorConformance"]


class BackendConformance(
    admission.Inserting,
    admission.RepeatedInserts,
    limits.QueueLimits,
    keys.Keys,
    keys.Aliases,
    retrying.ManualRetry,
    retrying.KeysOfRetries,
    claims.Claiming,
    claims.ClaimOrder,
    ageing.Ageing,
    clocks.SetClocks,
    quarantine.Quarantine,
    allowing.GlobalConcurrency,
    allowing.Rates,
    keyrates.KeyRates,
    keyrates.Traffic,
    turns.Turns,
    conflicts.Conflicts,
    pacing.Pacing,
    pausing.Pausing,
    outcomes.Starting,
    outcomes.Finishing,
    leases.LostLeases,
    leases.RepeatedOutcomes,
    leases.Finality,
    cancelling.Cancelling,
    cancelling.CancelAsked,
    mirroring.Mirroring,
    mirror_counts.MirroredCounts,
    poison.Poison,
    reading.Getting,
    reading.Searching,
    reading.NextDue,
    filtering.Filtering,
    fleet.Liveness,
    fleet.Recovering,
    history.Logs,
    telling.Telling,
    telling.Readable,
    telling.Results,
    history.Attempts,
    history.Counters,
    history.QueueSettings,
    auditing.Audit,
    rollups.Rollups,
    rollups.RollupSpans,
    waits.Waits,
    waits.WaitingSince,
    failing.Failures,
    onlooking.Onlooking,
    onlooking.Examining,
    contents.Rewriting,
    purging.Purging,
    purging.PurgedKeys,
    races.Races,
    batching.KeptBatches,
    batch_ends.BatchEnds,
    chains.Chains,
    scheduling.KeptSchedules,
    scheduling.ChangedSchedules,
    sessions.Sessions,
    sessions.Revoking,
    signing.Signing,
    throttling.TakingTokens,
    throttling.GrowingWaits,
    joining.Joining,
):
    """Every rule of the storage port.

    Override `make_backend`, if needed `open_second`, and `make_session` for a driver that has
    `Backend.transactions`.
    """


class ExecutorConformance(
    ends.Ends,
    ends.Surroundings,
    ends.Reopening,
    stops.Stops,
):
    """Every rule of the executor port. Override `make_executor`, and say what it can do."""
