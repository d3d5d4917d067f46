"""What people do with tasks and queues: look, cancel, retry, tune. Each act is audited."""

from fastapi_taskflow.operations.operations import Operations
from fastapi_taskflow.operations.reading import Metrics

__all__ = ["Metrics", "Operations"]
