"""Plain functions on the workers of a Dask cluster.

`executor` is the port's side. `link` holds the connection, on its own event loop; `runs` are the
calls under way, `post` is what is said to workers, `parcels` how arguments travel. `far` runs on
the workers.

Dask runs a task again by itself when it loses a worker. An attempt must not begin twice, so each
one asks here before its function is called (`far`), and only the first is let go on (`runs`).
"""

from fastapi_taskflow.executors.dask.executor import DaskExecutor

__all__ = ["DaskExecutor"]
