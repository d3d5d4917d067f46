"""The one thread that starts children.

On Linux a child is killed when the thread that started it ends, not when the process does
(PR_SET_PDEATHSIG). So they are all started by a thread that never ends.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from subprocess import Popen

__all__ = ["start"]

Make = Callable[[], "Popen[bytes]"]


class _Starter:
    def __init__(self) -> None:
        self._wanted: SimpleQueue[tuple[Make, Future[Popen[bytes]]]] = SimpleQueue()
        self.pid = os.getpid()
        threading.Thread(target=self._work, name="taskflow-starter", daemon=True).start()

    def start(self, make: Make) -> Popen[bytes]:
        answer: Future[Popen[bytes]] = Future()
        self._wanted.put((make, answer))
        return answer.result()

    def _work(self) -> None:
        while True:
            make, answer = self._wanted.get()
            try:
                answer.set_result(make())
            # Told to who asked for it; others will ask.
            except BaseException as exc:
                answer.set_exception(exc)
            del make, answer


# Protects _starter.
_lock = threading.Lock()
_starter: _Starter | None = None


def start(make: Make) -> Popen[bytes]:
    """Call ``make`` on that thread; wait for what it gives.

    Raises:
        OSError: as ``make`` does.
        RuntimeError: the system gives no thread.
    """
    global _starter  # noqa: PLW0603  (one for the process)
    with _lock:
        # A forked copy of this process has no threads.
        if _starter is None or _starter.pid != os.getpid():
            _starter = _Starter()
        starter = _starter
    return starter.start(make)
