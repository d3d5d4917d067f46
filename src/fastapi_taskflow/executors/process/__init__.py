"""Plain functions in child processes, for work that needs a core of its own or may crash.

`executor` is the port's side, `runs` has a call from its beginning to its end, `pool` keeps
children warm, `children` is one of them as the parent sees it, `starter` the thread that starts
them, `reaper` what ends them with the parent where the kernel does not, `channel` how frames are
sent, `wire` of which kinds they are; what is in them is `executors.sending`. `child` and `orders`
run in the children.

Not `concurrent.futures`, which can only end all of its workers, and not `multiprocessing`,
whose helper processes outlive a killed server.
"""

from fastapi_taskflow.executors.process.executor import ProcessExecutor, cores

__all__ = ["ProcessExecutor", "cores"]
