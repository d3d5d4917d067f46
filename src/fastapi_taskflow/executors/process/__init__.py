"""Plain functions in child processes, for work that needs a core of its own or may crash.

`executor` is the port's side, `pool` keeps children warm, `children` is one of them as the
parent sees it, `starter` the thread that starts them, `wire` what is said. `child` and `orders`
run in the children.

Not `concurrent.futures`, which can only end all of its workers, and not `multiprocessing`,
whose helper processes outlive a killed server.
"""

from fastapi_taskflow.executors.process.executor import ProcessExecutor

__all__ = ["ProcessExecutor"]
