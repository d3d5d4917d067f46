"""Is it on disk before the client is told? Count the syncs between a request and its answer.

``python -m trust.fsync`` runs a server under strace, posts durable tasks, first one after
another, then many at a time, and reads from the trace when each request came in, when the
database's log was synced, and when the status line of each answer went out.

It shows the system call, not the honesty of the disk. Needs Linux and strace.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from trust.history import SUCCESS
from trust.site import Site

__all__ = ["Trace", "main", "measure"]

_TRACED = "fsync,fdatasync,recvfrom,read,sendto,write,writev,sendmsg"
_RID = re.compile(r"POST /tasks/\w+\?rid=(\w+)")
_LINE = re.compile(r"(?P<thread>\d+) +(?P<at>\d+\.\d+) (?P<call>.*)")
_SYNC = re.compile(r"(?:fsync|fdatasync)\((?P<file>.*)")
_EXIT_SECONDS = 30.0


@dataclass
class Trace:
    """When what happened, in seconds.

    ``syncs`` are (begun, done) of the database's write-ahead log, in the order of their
    ends; ``answers`` are those of requests with that id, on the same connection.
    """

    requests: dict[str, float] = field(default_factory=dict)
    answers: dict[str, float] = field(default_factory=dict)
    syncs: list[tuple[float, float]] = field(default_factory=list)

    def unsynced(self) -> list[str]:
        """Answered requests that no sync lies between: begun after it came, done before."""
        self.syncs.sort(key=lambda one: one[1])
        ends = [end for _, end in self.syncs]
        bad = []
        for rid, answered in self.answers.items():
            before = self.syncs[: bisect_right(ends, answered)]
            if not any(begun > self.requests[rid] for begun, _ in before[-_RECENT:]):
                bad.append(rid)
        return bad

    def between(self, rids: Sequence[str]) -> int:
        """Syncs from the first of these requests to the last of their answers."""
        first = min(self.requests[rid] for rid in rids)
        last = max(self.answers[rid] for rid in rids)
        return sum(begun > first and end < last for begun, end in self.syncs)


# A later sync begins later: the last few decide.
_RECENT = 8


def read(path: Path, log_name: str) -> Trace:
    """The trace of a server; ``log_name`` ends the path of its write-ahead log."""
    trace = Trace()
    waiting: dict[str, list[str]] = {}
    for begun, done, call in _calls(path):
        sync = _SYNC.match(call)
        if sync is not None:
            if f"{log_name}>" in sync["file"]:
                trace.syncs.append((begun, done))
            continue
        connection = call.partition("(")[2].partition(",")[0]
        request = _RID.search(call)
        if request is not None and call.startswith(("recv", "read")):
            trace.requests[request[1]] = done
            waiting.setdefault(connection, []).append(request[1])
        elif '"HTTP/1.1 202' in call and waiting.get(connection):
            trace.answers[waiting[connection].pop(0)] = begun
    return trace


def _calls(path: Path) -> Iterator[tuple[float, float, str]]:
    """Each system call: when it began, when it ended, and its text."""
    unfinished: dict[str, tuple[float, str]] = {}
    with path.open(errors="replace") as lines:
        for line in lines:
            found = _LINE.match(line)
            if found is None:
                continue
            thread, at, call = found["thread"], float(found["at"]), found["call"]
            if call.endswith("<unfinished ...>"):
                unfinished[thread] = at, call.removesuffix("<unfinished ...>")
            elif call.startswith("<... "):
                begun, start = unfinished.pop(thread, (at, ""))
                yield begun, at, start + call.partition("resumed>")[2]
            else:
                yield at, at, call


async def _post(url: str, rids: Sequence[str], at_a_time: int) -> None:
    gate = asyncio.Semaphore(at_a_time)
    limits = httpx2.Limits(max_connections=at_a_time, max_keepalive_connections=at_a_time)
    async with httpx2.AsyncClient(limits=limits, timeout=60.0) as client:

        async def post(rid: str) -> None:
            async with gate:
                answer = await client.post(f"{url}/tasks/plain", params={"rid": rid})
                assert answer.status_code == httpx2.codes.ACCEPTED, answer.text

        async with asyncio.TaskGroup() as group:
            for rid in rids:
                group.create_task(post(rid))


def measure(place: Path, alone: Sequence[str], together: Sequence[str], at_a_time: int) -> Trace:
    """Post these requests one after another, then those ``at_a_time``; what the trace says.

    Raises:
        FileNotFoundError: there is no strace.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise FileNotFoundError("This needs strace (Debian and Ubuntu: apt-get install strace).")
    out = place / "trace"
    options = ("-f", "-qq", "-ttt", "-y", "-s", "64", "-e", f"trace={_TRACED}", "-o", str(out))
    with Site(place) as site:
        server = site.server().spawn(strace, *options)
        server.wait_for("ready", 60.0)
        try:
            asyncio.run(_post(server.url, alone, 1))
            asyncio.run(_post(server.url, together, at_a_time))
            rows = site.wait_for_ends()
        finally:
            # Our child is strace, which ends with the server.
            ((pid,),) = site.ask("SELECT pid FROM trust_lives")
            os.kill(pid, signal.SIGTERM)
            server.end(_EXIT_SECONDS)
        assert {row.state for row in rows.values()} == {SUCCESS}
        assert {row.rid for row in rows.values()} == {*alone, *together}
    return read(out, "tasks.db-wal")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m trust.fsync", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="in each of the two parts")
    parser.add_argument("--at-a-time", type=int, default=32)
    given = parser.parse_args(arguments)
    alone = [f"a{number}" for number in range(given.requests)]
    together = [f"t{number}" for number in range(given.requests)]
    with tempfile.TemporaryDirectory() as name:
        trace = measure(Path(name), alone, together, given.at_a_time)
    bad = trace.unsynced()
    print(f"answered                   {len(trace.answers)} of {2 * given.requests}")
    print(f"answered without a sync    {len(bad)}")
    print(f"syncs, one at a time       {trace.between(alone)} for {len(alone)} requests")
    print(
        f"syncs, {given.at_a_time} at a time       {trace.between(together)} "
        f"for {len(together)} requests"
    )
    grouped = trace.between(together) < len(together)
    clean = len(trace.answers) == 2 * given.requests and not bad and grouped
    print("PASS" if clean else "FAIL")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
