"""``functions`` and ``instances``: who works on a store, and on what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from fastapi_taskflow.cli.output import Answer, age, plain, table
from fastapi_taskflow.cli.stores import looks
from fastapi_taskflow.operations import Instance
from fastapi_taskflow.operations.inspecting import Inspector
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["functions", "instances", "slots"]

_SHORT = 8
_COLORS = {"alive": "green", "draining": "yellow", "died": "red"}


@looks
async def functions(inspector: Inspector) -> Answer:
    """List functions: what became of their tasks, and how many live instances run them."""
    found: dict[str, dict[str, Any]] = {
        one.name: {
            "name": one.name,
            **{status.value: 0 for status in TaskStatus},
            "instances": len(one.instances),
        }
        for one in await inspector.functions()
    }
    for tally in await inspector.tally():
        # Somebody may have added a function's first task since.
        if tally.func_name in found:
            found[tally.func_name][tally.status.value] += tally.rows
    states = [status.value for status in TaskStatus]
    rows = [
        [plain(one["name"]), *(plain(one[state]) for state in states), _runners(one)]
        for one in found.values()
    ]
    numbers = [state.upper() for state in states]
    shown = table(["FUNCTION", *numbers, "INSTANCES"], rows, right=" ".join(numbers))
    return Answer(document=list(found.values()), shown=[shown if rows else "No functions."])


@looks
async def instances(inspector: Inspector) -> Answer:
    """List the processes that work on a store, the oldest first."""
    found = [_described(one) for one in await inspector.instances()]
    rows = [
        [
            plain(one["instance_id"][-_SHORT:]),
            plain(one["state"], _COLORS[one["state"]]),
            plain(one["host"]),
            plain(one["pid"]),
            plain(one["age"]),
            plain(f"{one['lag']:.3f}s"),
            plain(one["running"]),
            plain(one["version"] or ""),
            plain(len(one["functions"])),
            plain(slots(one["executors"])),
            plain(", ".join(one["roles"]) or "none"),
        ]
        for one in found
    ]
    titles = ["ID", "STATE", "HOST", "PID", "AGE", "LAG", "RUNNING", "VERSION", "FUNCTIONS"]
    titles += ["EXECUTORS", "ROLES"]
    shown = table(titles, rows, right="PID AGE LAG RUNNING FUNCTIONS")
    return Answer(document=found, shown=[shown if rows else "No instances."])


def _runners(function: dict[str, Any]) -> Text:
    waits = function[TaskStatus.PENDING.value] > 0
    number = function["instances"]
    return plain(number or "none", "yellow" if waits and not number else "")


def slots(executors: Mapping[str, int | None]) -> str:
    """How many runs each takes at a time, where that is limited."""
    return ", ".join(
        name if limit is None else f"{name} {limit}" for name, limit in sorted(executors.items())
    )


def _described(instance: Instance) -> dict[str, Any]:
    peer = instance.peer
    return {
        "instance_id": peer.info.instance_id,
        "alive": not peer.gone,
        "state": "died" if peer.gone else "draining" if peer.draining else "alive",
        "version": peer.info.version,
        "running": peer.running,
        "host": peer.info.host,
        "pid": peer.info.pid,
        "started_at": peer.info.started_at.isoformat(),
        "age": age(peer.info.started_at),
        "lag": peer.lag,
        "roles": sorted(peer.info.roles),
        "functions": sorted(peer.info.functions),
        "executors": {one.name: one.slots for one in instance.executors},
    }
