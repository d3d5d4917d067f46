"""The doctor's look at instances, tasks and queues, whatever store they are on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from fastapi_taskflow.backends.base import Finding, Level, Peer
from fastapi_taskflow.cli.fleet import slots
from fastapi_taskflow.cli.output import age
from fastapi_taskflow.operations import Function, Pause
from fastapi_taskflow.operations.executors import slots_of
from fastapi_taskflow.operations.inspecting import Inspector
from fastapi_taskflow.words.counting import plural
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["audit_finding", "examine_fleet", "rows_finding"]

# An event loop this late serves nobody well.
_LATE_SECONDS = 1.0
_NAMED = 5


async def examine_fleet(inspector: Inspector) -> AsyncIterator[Finding]:
    """All findings about the present."""
    peers = [one.peer for one in await inspector.instances()]
    alive = [peer for peer in peers if not peer.gone]
    for peer in peers:
        if peer.gone:
            yield _death(peer, alive)
    for finding in _lives(alive, some_died=len(alive) < len(peers)):
        yield finding
    for finding in _stuck(await inspector.functions(), alive):
        yield finding
    for finding in _paused(await inspector.queues(), await inspector.pauses()):
        yield finding


async def rows_finding(inspector: Inspector) -> Finding:
    """Reads all tasks, which takes a second or so for each hundred thousand."""
    named: list[str] = []
    count = 0
    try:
        async for task_id, damage in inspector.damaged():
            count += 1
            if count <= _NAMED:
                named.append(f"{task_id}: {damage}")
    except StoreUnavailable as exc:
        return Finding("rows", Level.PROBLEM, str(exc), "See what is said of the file.")
    if not count:
        return Finding("rows", Level.OK, "Every task can be read")
    more = f"; and {count - len(named)} more" if count > len(named) else ""
    return Finding(
        "rows",
        Level.PROBLEM,
        f"{plural(count, 'task')} damaged ({'; '.join(named)}{more})",
        "They are shown as they are and never run. Restore a backup, mend the values by hand, or "
        "delete the rows; the other tasks go on meanwhile.",
    )


async def audit_finding(inspector: Inspector) -> Finding:
    """Reads all of the audit."""
    check = await inspector.verify_audit()
    if check.broken is not None:
        return Finding(
            "audit",
            Level.PROBLEM,
            f"Entry {check.broken.entry_id} is not as it was written: {check.broken.reason}",
            "Somebody has changed the store beside the library. Compare with a backup, and see who "
            "can write to it.",
        )
    older = f", {check.unchained} older ones have no hash" if check.unchained else ""
    head = f"; keep its head elsewhere: {check.head}" if check.head else ""
    acts = plural(check.checked, "act")
    return Finding("audit", Level.OK, f"{acts} as written{older}{head}")


def _death(peer: Peer, alive: Sequence[Peer]) -> Finding:
    mended = any("maintain" in other.info.roles for other in alive)
    return Finding(
        "instances",
        Level.WARNING if mended else Level.PROBLEM,
        f"Instance {peer.info.instance_id} (pid {peer.info.pid}) died without a goodbye"
        + (
            "; a live one is about to recover its tasks"
            if mended
            else ", and none is there to recover its tasks"
        ),
        None if mended else "Start the app or a worker: its start recovers them.",
    )


def _lives(alive: Sequence[Peer], *, some_died: bool) -> Iterator[Finding]:
    for peer in alive:
        if peer.lag >= _LATE_SECONDS:
            yield Finding(
                "instances",
                Level.WARNING,
                f"The event loop of instance {peer.info.instance_id} (pid {peer.info.pid}) "
                f"answers {peer.lag:.1f} s late",
                "Something blocks it: give blocking functions to threads (plain `def`).",
            )
    if alive:
        told = ", ".join(f"pid {peer.info.pid} since {age(peer.info.started_at)}" for peer in alive)
        yield Finding("instances", Level.OK, f"{len(alive)} alive: {told}")
        if found := slots_of(peer.info for peer in alive):
            yield Finding("executors", Level.OK, f"Runs at a time, in all: {slots(found)}")
    elif not some_died:
        yield Finding("instances", Level.NOTE, "No instance runs")


def _stuck(functions: Sequence[Function], alive: Sequence[Peer]) -> Iterator[Finding]:
    stuck = {one.name: one.numbers.pending for one in functions if one.stranded}
    if not stuck:
        waiting = sum(one.numbers.pending for one in functions)
        yield Finding("tasks", Level.OK, f"{plural(waiting, 'task')} waiting for a live instance")
    elif not any("execute" in peer.info.roles for peer in alive):
        yield Finding(
            "tasks",
            Level.PROBLEM,
            f"{plural(sum(stuck.values()), 'task')} waiting, and no live instance runs tasks",
            "Start the app, or `fastapi-taskflow worker`.",
        )
    else:
        for name, count in stuck.items():
            yield Finding(
                "tasks",
                Level.PROBLEM,
                f"{plural(count, 'task')} waiting for {name!r}, which no live instance has",
                "Start a version of the app that registers it, or cancel them: "
                f"`tasks list --func-name {name} --status pending`.",
            )


def _paused(queues: Sequence[dict[str, Any]], pauses: Sequence[Pause]) -> Iterator[Finding]:
    paused = [queue for queue in queues if queue["paused"]]
    if not pauses:
        yield Finding("queues", Level.OK, "Nothing is paused")
    for queue in paused:
        name, count = queue["name"], queue["pending"]
        yield Finding(
            "queues",
            Level.WARNING if count else Level.NOTE,
            f"Queue {name!r} is paused; {plural(count, 'task')} waiting in it",
            f"`queues resume {name}`, once it may go on.",
        )
    for one in pauses:
        if one.kind != "queue":
            option = "func-name" if one.kind == "function" else one.kind
            yield Finding(
                "queues",
                Level.WARNING,
                f"{one.kind.capitalize()} {one.value!r} is paused: nothing of it starts",
                f"`pauses remove --{option} {one.value}`, once it may go on.",
            )
