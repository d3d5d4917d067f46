"""The contract of executors, proven on those that are built in and on those of the guide."""

from fastapi_taskflow.executors import Executor
from fastapi_taskflow.executors.loop import LoopExecutor
from fastapi_taskflow.executors.process import ProcessExecutor
from fastapi_taskflow.executors.thread import ThreadExecutor
from fastapi_taskflow.testing.conformance import ExecutorConformance
from tests.support.ownexecutor import child_process, own_threads


class TestLoop(ExecutorConformance):
    coroutines = True
    stops = True

    def make_executor(self) -> Executor:
        return LoopExecutor()


class TestThread(ExecutorConformance):
    def make_executor(self) -> Executor:
        return ThreadExecutor(slots=4)


class TestProcess(ExecutorConformance):
    stops = True
    apart = True
    crowd = 12

    def make_executor(self) -> Executor:
        return ProcessExecutor(slots=3)


class TestChildProcess(ExecutorConformance):
    stops = True
    apart = True
    carries_context = False
    # Each starts a process of its own.
    crowd = 3

    def make_executor(self) -> Executor:
        return child_process(slots=4)


class TestOwnThreads(ExecutorConformance):
    def make_executor(self) -> Executor:
        return own_threads(slots=4)
