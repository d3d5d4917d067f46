"""The doctor's look at what a store says of instances, tasks, queues and clocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from fastapi_taskflow.backends.base import Peer, Query, Signals, Tally
from fastapi_taskflow.backends.sqlite.looks import Look
from fastapi_taskflow.cli.findings import Finding, Level
from fastapi_taskflow.cli.output import age, plural
from fastapi_taskflow.words.clock import SYSTEM_CLOCK
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["examine_fleet"]

# Two machines never share a file, so one clock wrote all times; this is rounding and haste.
_AHEAD = timedelta(seconds=5)
# Declared dead after 20 s; an event loop this late serves nobody well.
_LATE_SECONDS = 1.0
# Of each function's waiting tasks so many are looked at, newest first.
_SAMPLE = 100


def examine_fleet(look: Look) -> Iterator[Finding]:
    """All findings about the present."""
    signals, tallies = look.signals(), look.tally()
    dead = look.gone([peer.info.instance_id for peer in signals.peers])
    alive = [peer for peer in signals.peers if peer.info.instance_id not in dead]
    yield from _instances(alive, [peer for peer in signals.peers if peer not in alive])
    yield from _stuck(look, tallies, alive)
    yield from _paused(tallies, signals)
    yield from _unopened(look)
    yield from _unread(look)
    yield from _late(look)
    yield _clock(look)


def _instances(alive: list[Peer], dead: list[Peer]) -> Iterator[Finding]:
    for peer in dead:
        info = peer.info
        mended = any("maintain" in other.info.roles for other in alive)
        yield Finding(
            "instances",
            Level.WARNING if mended else Level.PROBLEM,
            f"Instance {info.instance_id} (pid {info.pid}) died without a goodbye"
            + (
                "; a live one is about to recover its tasks"
                if mended
                else ", and none is there to recover its tasks"
            ),
            None if mended else "Start the app or a worker: its start recovers them.",
        )
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
    elif not dead:
        yield Finding("instances", Level.NOTE, "No instance runs")


def _stuck(look: Look, tallies: list[Tally], alive: list[Peer]) -> Iterator[Finding]:
    waiting: Counter[str] = Counter()
    for tally in tallies:
        if tally.status is TaskStatus.PENDING and tally.rows:
            waiting[tally.func_name] += tally.rows
    able = [peer.info for peer in alive if "execute" in peer.info.roles]
    known = frozenset[str]().union(*(info.functions for info in able))
    # A task without `persist` waits in its own process, which needs no registered name.
    stuck = {name: count for name, count in waiting.items() if name not in known}
    stuck = {name: count for name, count in stuck.items() if _free(look, name)}
    if not stuck:
        yield Finding(
            "tasks", Level.OK, f"{plural(waiting.total(), 'task')} waiting for a live instance"
        )
    elif not able:
        yield Finding(
            "tasks",
            Level.PROBLEM,
            f"{plural(sum(stuck.values()), 'task')} waiting, and no live instance runs tasks",
            "Start the app, or `fastapi-taskflow worker`.",
        )
    else:
        for name, count in sorted(stuck.items()):
            yield Finding(
                "tasks",
                Level.PROBLEM,
                f"{plural(count, 'task')} waiting for {name!r}, which no live instance has",
                "Start a version of the app that registers it, or cancel them: "
                f"`tasks list --func-name {name} --status pending`.",
            )


def _free(look: Look, name: str) -> bool:
    query = Query(statuses=frozenset({TaskStatus.PENDING}), func_name=name)
    page = look.search(query, limit=_SAMPLE)
    return any(task.persist and task.owner is None for task in page.tasks)


def _paused(tallies: list[Tally], signals: Signals) -> Iterator[Finding]:
    paused = sorted(name for name, settings in signals.queues.items() if settings.get("paused"))
    if not paused:
        yield Finding("queues", Level.OK, "None is paused")
    for name in paused:
        count = sum(
            tally.rows
            for tally in tallies
            if tally.queue == name and tally.status is TaskStatus.PENDING
        )
        yield Finding(
            "queues",
            Level.WARNING if count else Level.NOTE,
            f"Queue {name!r} is paused; {plural(count, 'task')} waiting in it",
            f"`queues resume {name}`, once it may go on.",
        )


def _unopened(look: Look) -> Iterator[Finding]:
    count = look.unopened()
    if count:
        yield Finding(
            "encryption",
            Level.WARNING,
            f"{plural(count, 'encrypted task')} waiting, which instances took and gave back: most "
            "likely none of them has the key",
            "Give every instance all keys that are in use (`encrypt_args_key=[new, old]`); "
            "`rotate-keys` tells which tasks no key opens.",
        )


def _unread(look: Look) -> Iterator[Finding]:
    for name, count in look.unread().items():
        yield Finding(
            "unreadable",
            Level.WARNING,
            f"{plural(count, 'task')} waiting for {name!r}, which instances took and gave back: "
            "most likely their arguments are those of another version of the app",
            "`/tasks/functions` and the app's log say why. Start a version that takes them, or "
            f"cancel them: `tasks list --func-name {name} --status pending`.",
        )


def _late(look: Look) -> Iterator[Finding]:
    count = look.late()
    if count:
        yield Finding(
            "late",
            Level.NOTE,
            f"{plural(count, 'end')} of attempts came after their instance had been taken for "
            "dead, and changed nothing",
            "Look at them with `tasks show`. If there are ever more: something pauses processes "
            "longer than `instance_ttl`.",
        )


def _clock(look: Look) -> Finding:
    now = SYSTEM_CLOCK.now()
    times = [peer.info.started_at for peer in look.signals().peers]
    times += [task.record.created_at for task in look.search(Query(), limit=1).tasks]
    # Tasks and instances of today say nothing of a clock that was right until yesterday.
    newest = max([*times, look.latest_shown()])
    if newest - now > _AHEAD:
        return Finding(
            "clock",
            Level.PROBLEM,
            f"The store has times up to {newest.isoformat(timespec='seconds')}, and this clock "
            f"says {now.isoformat(timespec='seconds')}: it was set back",
            "Set the clock right (NTP). Tasks run all the same; the store shows times of its own, "
            "which go on from the latest, until the clock has caught up.",
        )
    return Finding("clock", Level.OK, "Not behind what the store has seen")
