"""On a worker: one attempt, which asks before its function begins, and tells what comes of it.

What is said to the app goes as events through the scheduler, in its order: that it would begin,
what its function logs, and its end with a small result. What the app says comes to `attend`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from distributed import Worker, get_worker

from fastapi_taskflow._version import __version__
from fastapi_taskflow.executors.base import Call, Reason, Told
from fastapi_taskflow.executors.dask.parcels import unpacked
from fastapi_taskflow.executors.dask.places import (
    is_on_cluster,
    left_behind,
    not_found,
    surrounded,
)
from fastapi_taskflow.executors.forward import Forward
from fastapi_taskflow.executors.local import LocalRun, Unfinished, carry_out, nobody
from fastapi_taskflow.executors.sending import calls, ends
from fastapi_taskflow.executors.throttle import Throttle
from fastapi_taskflow.rules.context import current_run
from fastapi_taskflow.rules.ends import Raised, Returned
from fastapi_taskflow.words.said import Said, Say

__all__ = ["ATTEND", "DRAIN", "GO", "LOOK", "NO", "UNANSWERED", "attend", "work"]

ATTEND = "fastapi-taskflow"
"""Name of the worker's handler."""

# What is said to a seat, beside the `Reason`s; LOOK only asks whether it is there.
GO, NO, DRAIN, LOOK = "go", "no", "draining", "look"

UNANSWERED = "unanswered"
"""What a Dask task gives whose function was never called."""

# The app answers in milliseconds if it lives.
_ANSWER_SECONDS = 10.0
_STEP_SECONDS = 0.1
# Up to here an end goes with the last lines.
_SMALL_BYTES = 16_384
# Lines that wait to be sent; whoever writes more waits for the network.
_MOST_BYTES = 262_144
# Messages of the worker that wait for the network, and how long to wait for fewer.
_MOST_MESSAGES = 200
_PAUSE_SECONDS = 0.02
_STUCK_SECONDS = 60.0

# Attempts in this process by token. Single steps on a dict need no lock.
_seats: dict[str, Seat] = {}


def work(
    version: str, about: tuple[str, str, int, int], call: bytes, arguments: bytes, *values: Any
) -> Any:
    """Run one attempt; the Dask task.

    Args:
        version: Of this package, where the app runs.
        about: The topic on which the app listens; the run's key; how often it had been submitted
            before; the level of the app's root logger.
        call, arguments: Of a `Parcel`, whose futures have these ``values``.
    """
    if version != __version__:
        raise RuntimeError(
            f"The Dask worker {get_worker().address} has fastapi-taskflow {__version__}, the app "
            f"has {version}. Install the same version on all workers."
        )
    topic, key, tries, level = about
    seat = Seat(get_worker(), topic, key, tries)
    _seats[seat.token] = seat
    try:
        return (
            seat.run(level, lambda: unpacked(call, arguments, values))
            if seat.may_begin()
            else UNANSWERED
        )
    finally:
        del _seats[seat.token]


def attend(words: list[tuple[str, str]]) -> list[bool]:
    """The app says something to attempts. On the worker's event loop.

    Returns:
        For each whether it was there to hear it.
    """
    found = []
    for token, word in words:
        seat = _seats.get(token)
        found.append(seat is not None and seat.hear(word))
    return found


class Seat:
    """One attempt on this worker. ``draining`` is for `TaskContext.stopping`."""

    def __init__(self, worker: Worker, topic: str, key: str, tries: int) -> None:
        self.token = f"{key}/{uuid4().hex}"
        self.draining = False
        self._worker = worker
        self._dask_key = worker.get_current_task()
        self._topic = topic
        self._tries = tries
        self._about = {"key": key, "token": self.token, "at": worker.address}
        self._run: LocalRun | None = None
        self._reason: Reason | None = None
        # Protects _answer while it is None: who gives up does not begin.
        self._lock = threading.Lock()
        self._answer: str | None = None
        self._answered = threading.Event()
        worker.handlers.setdefault(ATTEND, attend)

    def tell(self, **said: Any) -> None:
        """Send an event. From any thread; in order."""
        self._worker.log_event(self._topic, {**self._about, **said})

    def may_begin(self) -> bool:
        """Ask the app, and wait for its answer."""
        self.tell(asks=self._tries)
        deadline = time.monotonic() + _ANSWER_SECONDS
        while not self._answered.wait(_STEP_SECONDS):
            if time.monotonic() > deadline or not self.is_wanted():
                break
        with self._lock:
            self._answer = self._answer or NO
            return self._answer == GO

    def is_wanted(self) -> bool:
        """False: the app has let go of it, or is gone."""
        task = self._worker.state.tasks.get(self._dask_key)
        return task is not None and task.state != "cancelled"

    def hear(self, word: str) -> bool:
        """False: it came too late."""
        if word in (GO, NO):
            with self._lock:
                self._answer = self._answer or word
            self._answered.set()
            return self._answer == word
        if word == DRAIN:
            self.draining = True
        elif word != LOOK:
            self._reason = word  # type: ignore[assignment]
            if self._run is not None:
                self._run.reason = self._reason
        return True

    def run(self, level: int, call: Callable[[], Call]) -> tuple[int, bytes] | None:
        """Call the function, and tell its end; one that is too large for that is returned."""
        lines = Lines(self, self._worker)
        _heed(level)
        throttle = Throttle(lines.say)
        told = self._perform(call, throttle.say)
        kind, sent = ends.pack(told)
        throttle.close()
        small = len(sent) <= _SMALL_BYTES
        lines.close((kind, sent) if small else None)
        return None if small else (kind, sent)

    def _perform(self, call: Callable[[], Call], say: Say) -> Told:
        # Whatever its import or its arguments raise is the task's failure.
        try:
            run = FarRun(surrounded(call()), say, self)
        except ModuleNotFoundError as exc:
            error = not_found(exc, f"the Dask worker {self._worker.address}")
            error.__cause__ = exc
            return Raised(error)
        except BaseException as exc:
            return Raised(exc)
        self._run = run
        run.reason = self._reason
        return carry_out(run)


class FarRun(LocalRun):
    """Learns as well that nobody wants it any more."""

    __slots__ = ("_seat",)

    def __init__(self, call: Call, say: Say, seat: Seat) -> None:
        super().__init__(call, nobody, say, seat)
        self._seat = seat

    def begin(self) -> Told | Unfinished:
        told = super().begin()
        if isinstance(told, Unfinished) and is_on_cluster(told.answer):
            return Returned(left_behind(told.answer))
        return told

    def _asked(self) -> str | None:
        if self.reason is None and not self._seat.is_wanted():
            self.reason = "lost"
        return super()._asked()


class Lines:
    """What one attempt tells, and how it ended."""

    def __init__(self, seat: Seat, worker: Worker) -> None:
        self._seat = seat
        self._worker = worker
        # Protects what follows, and tells of room.
        self._room = threading.Condition()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._flushing = False

    def say(self, said: Said) -> None:
        sent = calls.pack_said(said)
        with self._room:
            self._room.wait_for(lambda: self._waiting_bytes < _MOST_BYTES, _STUCK_SECONDS)
            self._waiting.append(sent)
            self._waiting_bytes += len(sent)
            if self._flushing:
                return
            self._flushing = True
        self._worker.loop.add_callback(self._flush)

    def _flush(self) -> None:
        """On the worker's event loop: send what waits, when the network is ready for more."""
        if len(self._worker.batched_stream.buffer) > _MOST_MESSAGES:
            self._worker.loop.call_later(_PAUSE_SECONDS, self._flush)
            return
        with self._room:
            self._flushing = False
            lines = self._taken()
        if lines:
            self._seat.tell(said=lines)

    def _taken(self) -> list[bytes]:
        lines, self._waiting = self._waiting, []
        self._waiting_bytes = 0
        self._room.notify_all()
        return lines

    def close(self, over: tuple[int, bytes] | None) -> None:
        """Send the rest, and how it ended."""
        with self._room:
            lines = self._taken()
        self._seat.tell(said=lines, over=over)


def _run() -> FarRun | None:
    run = current_run()
    return run if isinstance(run, FarRun) else None


_forward = Forward(_run)


def _heed(level: int) -> None:
    """Hear of what the app would hear of, if its functions ran there."""
    root = logging.getLogger()
    _forward.attach()
    if root.level > level:
        root.setLevel(level)
