"""Where the kernel does not end children with their parent: a small process that does.

Linux has PR_SET_PDEATHSIG. Elsewhere (macOS) a child in one long call in C, which lets no other
thread run, would notice the end of its parent after that call. So with the first child a process
is started that waits for the end of a pipe, which only the parent holds, and then kills the
groups of all children that it was told of.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from threading import Lock

__all__ = ["NEEDED", "forget", "watch"]

NEEDED = sys.platform != "linux"
"""Set to True before the first child, it tries on Linux what others have."""

# Like the children it leaves signals for all to the parent.
_SOURCE = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
groups = set()
for line in sys.stdin.buffer:
    (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class _Reaper:
    def __init__(self, groups: set[int]) -> None:
        self.pid = os.getpid()
        self.groups = groups
        reading, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  (ourselves)
                [sys.executable, "-I", "-S", "-c", _SOURCE], stdin=reading, start_new_session=True
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(reading)
        for group in groups:
            self.tell(b"+", group)

    def tell(self, what: bytes, group: int) -> None:
        """A group more (+), or less (-).

        Raises:
            OSError: somebody has killed the process.
        """
        os.write(self._pipe, b"%b%d\n" % (what, group))

    def close(self) -> None:
        """Of one that was killed."""
        os.close(self._pipe)
        self._process.wait()


# Protects _reaper.
_lock = Lock()
_reaper: _Reaper | None = None


def watch(group: int) -> None:
    """Kill this group if this process ends.

    Raises:
        OSError: no process can be started for that.
    """
    global _reaper  # noqa: PLW0603  (one for the process)
    if not NEEDED:
        return
    with _lock:
        # A forked copy of this process has no children of its own yet.
        if _reaper is None or _reaper.pid != os.getpid():
            _reaper = _Reaper(set())
        _reaper.groups.add(group)
        try:
            _reaper.tell(b"+", group)
        except OSError:
            _reaper.close()
            _reaper = _Reaper(_reaper.groups)


def forget(group: int) -> None:
    """It has ended, and its number may soon be another's."""
    if not NEEDED:
        return
    with _lock:
        if _reaper is not None and _reaper.pid == os.getpid():
            _reaper.groups.discard(group)
            # Who has killed it knows no group to kill.
            with suppress(OSError):
                _reaper.tell(b"-", group)
