"""The executor: calls go to the link, ends come back from it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fastapi_taskflow.executors.base import Call, Executor, OnEnd, Run
from fastapi_taskflow.executors.sending import ends
from fastapi_taskflow.rules.importable import is_of_prompt, module_of
from fastapi_taskflow.rules.placing import check_process
from fastapi_taskflow.words import limits
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.said import Say

if TYPE_CHECKING:
    from fastapi_taskflow.executors.dask.link import Link

__all__ = ["DaskExecutor"]

_STEP_SECONDS = 0.01


class DaskExecutor(Executor):
    """Runs plain functions on a Dask cluster. It is connected to when the engine starts.

    Args:
        dask: The scheduler's address, such as ``"tcp://10.0.0.5:8786"``, or a
            `distributed.Client`, which stays the caller's to close.
        slots: Tasks on the cluster at a time; None: as many as its workers have threads, which
            is looked at every second.
        ttl: Seconds of silence after which a worker counts as dead.

    Raises:
        ConfigurationError: neither an address nor a client.
        ImportError: the extra ``dask`` is not installed.
    """

    def __init__(self, dask: Any, *, slots: int | None = None, ttl: float = 20.0) -> None:
        if find_spec("distributed") is None:
            raise ImportError(
                "executor='dask' needs the extra 'dask': pip install 'fastapi-taskflow[dask]'"
            )
        self._dask = _checked(dask)
        self._slots = limits.optional(limits.whole, "slots", slots, least=1)
        self._ttl = limits.span("ttl", ttl, above=True)
        self._link: Link | None = None

    @property
    def slots(self) -> int:  # type: ignore[override]
        """One at least: a cluster that grows on demand has to see that there is some."""
        if self._slots is not None:
            return self._slots
        return max(1, 0 if self._link is None else self._link.threads)

    def check(self, func: Callable[..., Any]) -> None:
        check_process(func)
        if module_of(func) == "__main__" and not is_of_prompt(func):
            raise ConfigurationError(
                "it stands in the program that was started (__main__), which a Dask worker cannot "
                "import. Move it into a module."
            )

    async def open(self) -> None:
        # The only place that needs the extra.
        from fastapi_taskflow.executors.dask.link import Link  # noqa: PLC0415

        link = Link(self._dask, self._ttl)
        await link.open()
        self._link = link

    def run(self, call: Call, ended: OnEnd, say: Say) -> Run:
        if self._link is None:
            raise RuntimeError("The Dask executor is not open")
        return self._link.take(call, ends.reporting(ended, say), say)

    def drain(self) -> None:
        super().drain()
        if self._link is not None:
            self._link.drain()

    async def close(self, grace: float) -> None:
        """Functions are asked to end, and left behind after ``grace`` seconds."""
        link, self._link = self._link, None
        if link is None:
            return
        for run in link.runs():
            if run.reason is None:
                run.stop("drain")
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        while link.runs() and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(_STEP_SECONDS)
        await link.close()


def _checked(dask: object) -> Any:
    if isinstance(dask, str) and dask.strip():
        return dask.strip()
    # Whose class it is has been imported by whoever made it.
    distributed: Any = sys.modules.get("distributed")
    if distributed is not None and isinstance(dask, distributed.Client):
        return dask
    what = "the address of a scheduler ('tcp://10.0.0.5:8786') or a distributed.Client"
    raise limits.wrong("dask", what, dask)
