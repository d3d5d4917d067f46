"""What people do with tasks and queues: look, cancel, retry, tune. Each act is audited."""

from fastapi_taskflow.operations.metrics import FunctionMetrics, Metrics
from fastapi_taskflow.operations.operations import Operations
from fastapi_taskflow.operations.purging import PurgedHistory
from fastapi_taskflow.operations.reading import Count, Inspection

__all__ = ["Count", "FunctionMetrics", "Inspection", "Metrics", "Operations", "PurgedHistory"]
