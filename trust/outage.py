"""A store that is gone for a long time under three instances with work in hand (TRUST, R10).

``python -m trust.outage --seconds 600``: every call fails meanwhile. Nobody may be taken for
dead, enqueues must be refused in time, ends that wait must stay within their bound, and all
must be stored soon after. It shows what instances do, not what a store does that comes back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi_taskflow import SqliteBackend, StoreUnavailable, TaskManager
from trust.faulty import FaultyBackend

__all__ = ["measure"]

INSTANCES = 3
RUNNING = 50
# What may wait for the store in each instance, so that the bound is reached.
OUTBOX = 10
PATIENCE_SECONDS = 2.0
DRAINED_WITHIN_SECONDS = 30.0


class Node:
    """One instance, and what its tasks wait for."""

    def __init__(self, path: Path) -> None:
        self.backend = FaultyBackend(SqliteBackend(str(path)))
        self.manager = TaskManager(
            snapshot_backend=self.backend, heartbeat_interval=0.25, instance_ttl=1.0
        )
        runtime = self.manager.runtime
        runtime.settings = replace(runtime.settings, outbox_limit=OUTBOX)
        self.release = asyncio.Event()
        self.manager.task(persist=True)(self.hold)

    async def hold(self) -> None:
        await self.release.wait()

    @property
    def name(self) -> str:
        return self.manager.runtime.engine().instance_id


async def measure(seconds: float) -> dict[str, Any]:
    """The figures of an outage that long; ``faults`` should be empty."""
    with TemporaryDirectory(prefix="taskflow-outage-") as place:
        nodes = [Node(Path(place, "tasks.db")) for _ in range(INSTANCES)]
        for node in nodes:
            await node.manager.startup()
        try:
            return await _through(nodes, seconds)
        finally:
            for node in nodes:
                await node.manager.shutdown()


async def _through(nodes: list[Node], seconds: float) -> dict[str, Any]:
    accepted = [
        (await node.manager.enqueue(node.hold)).task_id for node in nodes for _ in range(RUNNING)
    ]
    names = [node.name for node in nodes]
    for node in nodes:
        node.backend.fall()
        node.release.set()
    refusals, most_waiting = [], 0
    gone_at = time.monotonic()
    while time.monotonic() - gone_at < seconds:
        begun = time.monotonic()
        try:
            await nodes[0].manager.enqueue(nodes[0].hold)
        except StoreUnavailable:
            refusals.append(time.monotonic() - begun)
        engines = [node.manager.runtime.engine() for node in nodes]
        most_waiting = max(most_waiting, *(engine.settling.unsettled for engine in engines))
    back_at = time.monotonic()
    for node in nodes:
        node.backend.heal()
    states = await _states(nodes[0], accepted)
    while states != {"success": len(accepted)} and time.monotonic() < back_at + 60:
        await asyncio.sleep(0.05)
        states = await _states(nodes[0], accepted)
    drained_in = time.monotonic() - back_at
    faults = []
    if states != {"success": len(accepted)}:
        faults.append(f"accepted tasks ended so: {dict(states)}")
    if [node.name for node in nodes] != names:
        faults.append("an instance was taken for dead")
    if not refusals or max(refusals) > PATIENCE_SECONDS + 1:
        faults.append(f"refusals took {refusals[-3:]} s")
    if drained_in > DRAINED_WITHIN_SECONDS:
        faults.append(f"all was stored {drained_in:.1f} s after")
    return {
        "outage_seconds": round(back_at - gone_at, 1),
        "accepted": len(accepted),
        "refused": len(refusals),
        "refused_in_seconds": round(max(refusals, default=0.0), 2),
        "most_ends_waiting": most_waiting,
        "drained_in_seconds": round(drained_in, 2),
        "faults": faults,
    }


async def _states(node: Node, tasks: list[str]) -> Counter[str]:
    try:
        found = await node.backend.inner.get(tasks)
    except StoreUnavailable:
        return Counter()
    return Counter("missing" if one is None else one.record.status.value for one in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    figures = asyncio.run(measure(parser.parse_args().seconds))
    print(json.dumps(figures))
    sys.exit(bool(figures["faults"]))


if __name__ == "__main__":
    main()
