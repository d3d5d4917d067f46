"""A real Dask cluster: scheduler and workers as processes of their own, on loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.servers import ROOT
from tests.support.waiting import PATIENCE_SECONDS

__all__ = ["Cluster", "dask_cluster"]


class Cluster:
    """A scheduler, and workers by name.

    Args:
        folder: Where they put files, and import modules from.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "scheduler.json"
        self._log = (folder / "cluster.log").open("w+")
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.scheduler = self._scheduler(0)
        self.address = self._address()

    def _scheduler(self, port: int) -> "subprocess.Popen[bytes]":
        options = ["--port", str(port), "--scheduler-file", str(self._file), "--no-dashboard"]
        # In case this process dies.
        options += ["--idle-timeout", "120s"]
        return self._start("scheduler", "--host", "127.0.0.1", *options)

    def _address(self) -> str:
        return self._soon(lambda: str(json.loads(self._file.read_text())["address"]))

    def restart_scheduler(self) -> None:
        """At its old address."""
        self._file.unlink(missing_ok=True)
        self.scheduler = self._scheduler(int(self.address.rpartition(":")[2]))
        self._address()

    def add_worker(self, name: str, *, nanny: bool = False, threads: int = 1) -> None:
        """Start a worker; returns before it is connected."""
        options = ["--nanny" if nanny else "--no-nanny", "--nthreads", str(threads)]
        self.workers[name] = self._start(
            "worker",
            self.address,
            *("--name", name, "--no-dashboard", "--local-directory", str(self.folder)),
            *options,
        )

    def keep(self, count: int) -> None:
        """Start as many workers as are missing."""
        living = [worker for worker in self.workers.values() if worker.poll() is None]
        for _ in range(count - len(living)):
            self.add_worker(f"worker {len(self.workers)}")

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        process.wait()

    def _start(self, *command: str) -> "subprocess.Popen[bytes]":
        path = [str(ROOT), str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *command],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            start_new_session=True,
        )

    def _soon(self, found: Callable[[], str]) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return found()
            except (OSError, ValueError, KeyError):
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.02)

    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()

    def close(self) -> None:
        """End them all, with what a nanny has started."""
        for process in (*self.workers.values(), self.scheduler):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._log.close()


@contextmanager
def dask_cluster(
    folder: Path, *workers: str, nanny: bool = False, threads: int = 1
) -> Iterator[Cluster]:
    """With these workers; whoever connects waits for them."""
    cluster = Cluster(folder)
    try:
        for name in workers:
            cluster.add_worker(name, nanny=nanny, threads=threads)
        yield cluster
    finally:
        cluster.close()
