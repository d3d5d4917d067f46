"""The storage port: the verbs that every backend gives, and the values they take.

A backend is the single source of truth for what outlives a process. It applies policy
(`states.MOVES`, outcomes, limits; `backends.rules` decides) and holds none of its own.
The contract is `fastapi_taskflow.testing.conformance`: what it does not test is not
promised.

Rules that hold for every verb:

* Verbs are batch-first. Answers come in the order of the questions; an empty batch does
  no I/O and answers an empty list.
* Every write is one compare-and-set. Losing a race is an answer, never an exception.
* On return the write is committed to the backend's durability grade.
* The store's own clock stamps ``start_time``, ``end_time`` and due times (its now plus a
  span). A clock may be given to a driver's constructor by tests. It never runs backwards: a
  store keeps the latest time that it has shown, and goes on from there when it is opened
  (`words.clock.SteadyClock`). Callers name instants by their own clock (``NewTask.due_at``,
  ``before`` of `purge`): the store adds its lead over that one.
* What one read answers was so at one instant; no verb needs two reads to agree.
* Sending a write again after a lost reply is safe: `insert` by task id, `claim` by claim
  id, `start` and `finish` by lease.
* A value that cannot be stored raises another error than `StoreUnavailable`, and nothing of
  its call is stored: whoever sent a batch sends its parts, and finds the one.
* A row that somebody damaged stops no other: it is read as far as it can be, see
  `StoredTask`; of instances, settings and history likewise.
* An alias stands for its task in `get`, `attempts`, `cancel` and ``retry_of``.
* An instance is alive from `enlist` until it is declared dead or retires. One that is not
  alive claims nothing and recovers nothing.
* `Backend.batches`, `Backend.schedules`, `Backend.sign_in`, `Backend.rotation` and
  `Backend.transactions` are ports beside it, under the same rules, which a driver may leave
  out.
* A store that cannot answer raises `StoreUnavailable` (`StoreFull` when the disk is full);
  driver exceptions never pass.

Values on the hot path are named tuples: a frozen dataclass costs five times as much to
make, and a task needs several.
"""

from fastapi_taskflow.backends.base.admission import (
    Admission,
    Inserted,
    KeyConflict,
    Member,
    NewTask,
    QueueIsFull,
    RetryRefused,
    Stored,
)
from fastapi_taskflow.backends.base.backend import Backend, Grade, SnapshotBackend, no_backend
from fastapi_taskflow.backends.base.batches import (
    Batches,
    Callback,
    HeldCall,
    NewBatch,
    StoredBatch,
)
from fastapi_taskflow.backends.base.claims import (
    Attempt,
    CancelAnswer,
    CancelResult,
    Claimed,
    ClaimRequest,
    Lease,
    Limits,
    LogChunk,
    MirrorAnswer,
    Outcome,
    Result,
    Settled,
    Snapshot,
    StoredTask,
)
from fastapi_taskflow.backends.base.failures import FailureGroup, FailureQuery
from fastapi_taskflow.backends.base.findings import Finding, Level
from fastapi_taskflow.backends.base.fleet import InstanceInfo, Peer, Signals
from fastapi_taskflow.backends.base.grains import Grain
from fastapi_taskflow.backends.base.operators import Purged
from fastapi_taskflow.backends.base.reads import (
    ENDING_LENGTH,
    Page,
    Query,
    Rollup,
    RollupQuery,
    Tally,
    weight,
)
from fastapi_taskflow.backends.base.residence import Residence, Resident
from fastapi_taskflow.backends.base.rotation import (
    Content,
    ContentField,
    Contents,
    Rewrite,
    Rotation,
)
from fastapi_taskflow.backends.base.schedules import (
    DueSchedules,
    ScheduleChange,
    Schedules,
    StoredSchedule,
)
from fastapi_taskflow.backends.base.traffic import Traffic
from fastapi_taskflow.backends.base.transactions import IsOver, Joined, Transactions

__all__ = [
    "ENDING_LENGTH",
    "Admission",
    "Attempt",
    "Backend",
    "Batches",
    "Callback",
    "CancelAnswer",
    "CancelResult",
    "ClaimRequest",
    "Claimed",
    "Content",
    "ContentField",
    "Contents",
    "DueSchedules",
    "FailureGroup",
    "FailureQuery",
    "Finding",
    "Grade",
    "Grain",
    "HeldCall",
    "Inserted",
    "InstanceInfo",
    "IsOver",
    "Joined",
    "KeyConflict",
    "Lease",
    "Level",
    "Limits",
    "LogChunk",
    "Member",
    "MirrorAnswer",
    "NewBatch",
    "NewTask",
    "Outcome",
    "Page",
    "Peer",
    "Purged",
    "Query",
    "QueueIsFull",
    "Residence",
    "Resident",
    "Result",
    "RetryRefused",
    "Rewrite",
    "Rollup",
    "RollupQuery",
    "Rotation",
    "ScheduleChange",
    "Schedules",
    "Settled",
    "Signals",
    "Snapshot",
    "SnapshotBackend",
    "Stored",
    "StoredBatch",
    "StoredSchedule",
    "StoredTask",
    "Tally",
    "Traffic",
    "Transactions",
    "no_backend",
    "weight",
]
