"""``functions`` and ``instances``: who works on a store, and on what."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.text import Text

from fastapi_taskflow.backends.base import Peer, Signals, Tally
from fastapi_taskflow.cli.output import age, plain, show, table, write_json
from fastapi_taskflow.cli.stores import JsonOption, PrefixOption, StoreOption, backend_of
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["functions", "instances"]

_SHORT = 8


def functions(
    store: StoreOption, *, json: JsonOption = False, table_prefix: PrefixOption = "taskflow_"
) -> None:
    """List functions: what became of their tasks, and how many live instances run them."""
    with backend_of(store, table_prefix).look() as look:
        signals, tallies = look.signals(), look.tally()
        dead = look.gone([peer.info.instance_id for peer in signals.peers])
    alive = [peer for peer in signals.peers if peer.info.instance_id not in dead]
    found = _functions(tallies, alive)
    if json:
        write_json(found)
        return
    if not found:
        show("No functions.")
        return
    states = [status.value for status in TaskStatus]
    rows = [
        [
            plain(one["name"]),
            *(plain(one[state]) for state in states),
            _runners(one),
        ]
        for one in found
    ]
    numbers = [state.upper() for state in states]
    show(table(["FUNCTION", *numbers, "INSTANCES"], rows, right=" ".join(numbers)))


def instances(
    store: StoreOption, *, json: JsonOption = False, table_prefix: PrefixOption = "taskflow_"
) -> None:
    """List the processes that work on a store, the oldest first."""
    with backend_of(store, table_prefix).look() as look:
        signals = look.signals()
        dead = look.gone([peer.info.instance_id for peer in signals.peers])
    found = _instances(signals, dead)
    if json:
        write_json(found)
        return
    if not found:
        show("No instances.")
        return
    rows = [
        [
            plain(one["instance_id"][-_SHORT:]),
            plain("alive", "green") if one["alive"] else plain("died", "red"),
            plain(one["host"]),
            plain(one["pid"]),
            plain(one["age"]),
            plain(f"{one['lag']:.3f}s"),
            plain(len(one["functions"])),
            plain(", ".join(one["roles"]) or "none"),
        ]
        for one in found
    ]
    titles = ["ID", "STATE", "HOST", "PID", "AGE", "LAG", "FUNCTIONS", "ROLES"]
    show(table(titles, rows, right="PID AGE LAG FUNCTIONS"))


def _functions(tallies: list[Tally], alive: list[Peer]) -> list[dict[str, Any]]:
    runners: Counter[str] = Counter()
    for peer in alive:
        if "execute" in peer.info.roles:
            runners.update(peer.info.functions)
    names = {tally.func_name for tally in tallies}.union(*(p.info.functions for p in alive))
    found: dict[str, dict[str, Any]] = {
        name: {
            "name": name,
            **{status.value: 0 for status in TaskStatus},
            "instances": runners[name],
        }
        for name in sorted(names)
    }
    for tally in tallies:
        found[tally.func_name][tally.status.value] += tally.rows
    return list(found.values())


def _runners(function: dict[str, Any]) -> Text:
    waits = function[TaskStatus.PENDING.value] > 0
    number = function["instances"]
    return plain(number or "none", "yellow" if waits and not number else "")


def _instances(signals: Signals, dead: frozenset[str]) -> list[dict[str, Any]]:
    infos = sorted(signals.peers, key=lambda peer: peer.info.started_at)
    return [
        {
            "instance_id": peer.info.instance_id,
            "alive": peer.info.instance_id not in dead,
            "host": peer.info.host,
            "pid": peer.info.pid,
            "started_at": peer.info.started_at.isoformat(),
            "age": age(peer.info.started_at),
            "lag": peer.lag,
            "roles": sorted(peer.info.roles),
            "functions": sorted(peer.info.functions),
        }
        for peer in infos
    ]
