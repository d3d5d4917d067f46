"""Pools of two processes, each with one way to call a function."""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextvars import Context
from typing import Any, ClassVar, Self

import anyio.to_process
from anyio import CapacityLimiter

from fastapi_taskflow.executors import Call, Returned, Told
from fastapi_taskflow.executors.process import ProcessExecutor

__all__ = ["ADAPTERS", "Adapter"]

CHILDREN = 2


class Adapter:
    #: Has to be installed.
    module: ClassVar[str]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def call(self, func: Callable[..., Any], *args: Any) -> Any:
        raise NotImplementedError


class Own(Adapter):
    module = "fastapi_taskflow"

    async def __aenter__(self) -> Self:
        self._executor = ProcessExecutor(CHILDREN)
        await self._executor.open()
        self._slots = asyncio.Semaphore(CHILDREN)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._executor.close(1.0)

    async def call(self, func: Callable[..., Any], *args: Any) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Told] = loop.create_future()

        def set_result(told: Told) -> None:
            if not future.done():
                future.set_result(told)

        def ended(told: Told) -> None:
            loop.call_soon_threadsafe(set_result, told)

        # As the engine does: no more at a time than there are children.
        async with self._slots:
            self._executor.run(Call("", func, args, {}, Context(), ""), ended, lambda _: None)
            told = await future
        if not isinstance(told, Returned):
            raise TypeError(told)
        return told.value


class Futures(Adapter):
    module = "concurrent.futures"

    def __init__(self) -> None:
        self._pool = self._made()

    def _made(self) -> Any:
        return ProcessPoolExecutor(CHILDREN, multiprocessing.get_context("spawn"))

    async def __aexit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def call(self, func: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.wrap_future(self._pool.submit(func, *args))


class Loky(Futures):
    module = "loky"

    def _made(self) -> Any:
        return importlib.import_module("loky").get_reusable_executor(CHILDREN)

    async def __aexit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, kill_workers=True)


class Pebble(Adapter):
    module = "pebble"

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool: Any = importlib.import_module("pebble").ProcessPool(CHILDREN, context=spawn)

    async def __aexit__(self, *_: object) -> None:
        self._pool.stop()

    async def call(self, func: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.wrap_future(self._pool.submit(func, None, *args))


class AnyIO(Adapter):
    module = "anyio"

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(CHILDREN)

    async def call(self, func: Callable[..., Any], *args: Any) -> Any:
        return await anyio.to_process.run_sync(func, *args, limiter=self._limiter, cancellable=True)


ADAPTERS: dict[str, type[Adapter]] = {
    "own": Own,
    "concurrent.futures": Futures,
    "loky": Loky,
    "anyio": AnyIO,
    "pebble": Pebble,
}
