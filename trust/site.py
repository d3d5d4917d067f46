"""One store, its servers and its clients, for a test that directs every step."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from trust import history
from trust.app import GROUP_SIZE, Config, Via
from trust.evidence import Evidence, read_lines
from trust.history import Death, History, Row
from trust.instances import Instance
from trust.ledgers.sqlite import ROWS, SqliteLedger

__all__ = ["Site", "eventually"]

T = TypeVar("T")

_STEP_SECONDS = 0.01
_TIMEOUT_SECONDS = 30.0


def eventually(condition: Callable[[], T | None], seconds: float = 15.0) -> T:
    """The condition's first true value.

    Raises:
        AssertionError: it did not come in time.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"did not happen within {seconds:g} s: {condition}"
        time.sleep(_STEP_SECONDS)
    return value


class Site:
    """Servers on one audited store in ``place``; what they leave is closed with it."""

    def __init__(self, place: Path) -> None:
        self.db = place / "tasks.db"
        self._place = place
        self._acks = place / "acks.log"
        self._evidence = Evidence(self._acks)
        self._numbers = itertools.count(1)
        self._stack = ExitStack()
        self._threads = ThreadPoolExecutor(8)
        self.deaths: list[Death] = []
        self._ledger = SqliteLedger(str(self.db))
        asyncio.run(self._ledger.prepare())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()
        self._threads.shutdown()

    # Servers

    def server(self, **settings: Any) -> Instance:
        """A server that is not started yet; ``settings`` are those of `Config`."""
        config = Config(
            db=str(self.db), evidence=str(self._place / "effects.log"), port=0, **settings
        )
        log = self._place / f"server{next(self._numbers)}.log"
        return self._stack.enter_context(Instance(config, log))

    def kill(self, *servers: Instance) -> None:
        """SIGKILL to each."""
        for server in servers:
            self.deaths.append(Death(server.pid, server.kill(), "KILL"))

    def dies(self, server: Instance) -> None:
        """Wait for a server's own end, which counts as a kill."""
        server.end(_TIMEOUT_SECONDS)
        self.deaths.append(Death(server.pid, time.time(), "KILL"))

    def told_to_stop(self, server: Instance) -> None:
        """Note a SIGTERM that is about to be sent."""
        self.deaths.append(Death(server.pid, time.time(), "TERM"))

    def freeze(self, server: Instance) -> None:
        """SIGSTOP, between two writes."""
        self.deaths.append(Death(server.pid, server.freeze(), "STOP"))

    # Clients

    def post(self, server: Instance, kind: str, *, via: Via = "lane", ms: int = 1) -> list[str]:
        """Ask for a task; the ids of what was accepted, none if no answer came."""
        wanted = GROUP_SIZE if via == "group" else 1
        return self._send(server, f"/tasks/{kind}", wanted, via=via, ms=ms)

    def post_late(self, server: Instance, kind: str) -> Future[list[str]]:
        """Ask for a task that is added when the server is released."""
        return self._threads.submit(self._send, server, f"/late/{kind}", 1)

    def posting(self, server: Instance, kind: str, **options: Any) -> Future[list[str]]:
        """`post`, without waiting for the answer."""
        return self._threads.submit(self.post, server, kind, **options)

    def _send(self, server: Instance, path: str, wanted: int, **params: Any) -> list[str]:
        rid = f"r{next(self._numbers)}"
        self._evidence.write("intent", rid=rid, wanted=wanted)
        try:
            answer = httpx2.post(
                server.url + path, params={"rid": rid, **params}, timeout=_TIMEOUT_SECONDS
            )
        except httpx2.TransportError:
            return []
        assert answer.status_code == httpx2.codes.ACCEPTED, answer.text
        tasks: list[str] = answer.json()["task_ids"]
        self._evidence.write("ack", rid=rid, tasks=tasks)
        return tasks

    # Looking

    def ask(self, sql: str, *parameters: object) -> list[Any]:
        """What the store holds right now."""
        return self._ledger.ask(sql, *parameters)

    def rows(self) -> dict[str, Row]:
        """All tasks by id."""
        return {row[0]: Row(*row) for row in self.ask(ROWS)}

    def row(self, task: str) -> Row:
        return self.rows()[task]

    def wait_for_state(self, task: str, state: int) -> Row:
        return eventually(lambda: row if (row := self.row(task)).state == state else None)

    def wait_for_ends(self) -> dict[str, Row]:
        """Wait until nothing is PENDING or RUNNING."""
        live = "SELECT 1 FROM taskflow_tasks WHERE state < 2"
        eventually(lambda: not self.ask(live))
        return self.rows()

    def lines(self, what: str, task: str | None = None) -> list[dict[str, Any]]:
        """The evidence that tasks left."""
        return [
            line
            for line in read_lines(self._place / "effects.log")
            if line["what"] == what and task in (None, line["task"])
        ]

    def history(self) -> History:
        """All that happened so far, for the oracle."""
        return asyncio.run(
            history.read(self._ledger, self._place / "effects.log", self._acks, self.deaths)
        )
