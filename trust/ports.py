"""Free ports."""

from __future__ import annotations

import random
import socket

__all__ = ["free_port", "quiet_port"]

# Below those that systems give to connections.
_QUIET = range(20_000, 30_000)


def free_port() -> socket.socket:
    """A socket bound to a free port of 127.0.0.1, which it keeps reserved while it is open."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def quiet_port() -> int:
    """A free port that no connection gets by chance, for a server that goes and comes back."""
    while True:
        port = random.choice(_QUIET)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
