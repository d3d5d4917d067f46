"""What people do with tasks and queues: look, cancel, retry, tune. Each act is audited."""

from fastapi_taskflow.operations.auditing import AuditCheck
from fastapi_taskflow.operations.bulk import BulkInfo, BulkPreview
from fastapi_taskflow.operations.executors import ExecutorState
from fastapi_taskflow.operations.failures import FailureInfo
from fastapi_taskflow.operations.fleet import Function, Instance
from fastapi_taskflow.operations.health import Health
from fastapi_taskflow.operations.metrics import Metrics
from fastapi_taskflow.operations.operations import Operations
from fastapi_taskflow.operations.pausing import PAUSE_LIMIT, Pause
from fastapi_taskflow.operations.reading import Count, Inspection
from fastapi_taskflow.operations.rerunning import Argument
from fastapi_taskflow.operations.retrying import BULK_LIMIT, BulkRetry
from fastapi_taskflow.operations.series import FunctionEnds, Series, Step

__all__ = [
    "BULK_LIMIT",
    "PAUSE_LIMIT",
    "Argument",
    "AuditCheck",
    "BulkInfo",
    "BulkPreview",
    "BulkRetry",
    "Count",
    "ExecutorState",
    "FailureInfo",
    "Function",
    "FunctionEnds",
    "Health",
    "Inspection",
    "Instance",
    "Metrics",
    "Operations",
    "Pause",
    "Series",
    "Step",
]
