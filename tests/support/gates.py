"""Tasks that stand at a gate until a test lets them go."""

import asyncio
import threading

from tests.support.waiting import wait_until


class Gate:
    """A place where coroutines wait; made and opened on one event loop."""

    def __init__(self) -> None:
        self.arrived = 0
        self.passed = 0
        self._open = asyncio.Event()

    async def stand(self) -> None:
        """Wait until the gate is open."""
        self.arrived += 1
        await self._open.wait()
        self.passed += 1

    async def reached(self, count: int = 1) -> None:
        """Wait until so many have arrived."""
        await wait_until(lambda: self.arrived >= count)

    def open(self) -> None:
        """Let all go on, now and later."""
        self._open.set()


class ThreadGate:
    """A place where threads wait."""

    def __init__(self) -> None:
        self._arrived = threading.Semaphore(0)
        self._open = threading.Event()

    def stand(self) -> None:
        """Wait until the gate is open."""
        self._arrived.release()
        assert self._open.wait(timeout=60), "nobody opened the gate"

    def wait_for_arrival(self) -> None:
        """Block until one more has arrived."""
        assert self._arrived.acquire(timeout=60), "nobody arrived"

    def open(self) -> None:
        """Let all go on, now and later."""
        self._open.set()
