"""The command line ``fastapi-taskflow``: a worker process, and operators' acts on a store.

Looking (`tasks list`, `tasks show`, `queues list`, `doctor`) reads the store from outside:
it creates and changes nothing and needs no app. Acting goes through the same `Operations`
as HTTP does, with an audit entry. What needs functions (`worker`, `tasks retry`) loads the
app.
"""

from fastapi_taskflow.cli.program import app, main

__all__ = ["app", "main"]
