"""What the instances on one store are, which functions they know, and how this one is."""

from __future__ import annotations

from typing import NamedTuple

from fastapi_taskflow.backends.base import Peer
from fastapi_taskflow.engine.lifecycle import Engine

__all__ = ["Instance", "instances"]


class Instance(NamedTuple):
    """An instance that has enlisted and not said goodbye. ``this`` is the one that asks."""

    peer: Peer
    this: bool


async def instances(engine: Engine) -> list[Instance]:
    """All instances on the store, the one that started first first."""
    signals = await engine.backend.signals(engine.instance_id)
    found = [Instance(peer, peer.info.instance_id == engine.instance_id) for peer in signals.peers]
    return sorted(found, key=lambda one: (one.peer.info.started_at, one.peer.info.instance_id))
