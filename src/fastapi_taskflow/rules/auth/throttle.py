"""What tries at a password are counted by: the account, and the client's network."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, IPv6Network, ip_address
from unicodedata import normalize

from fastapi_taskflow.words.texts import escape

__all__ = ["UNKNOWN_NETWORK", "account_key", "network_of"]

UNKNOWN_NETWORK = "unknown"
"""Of clients whose address the server does not know, such as those on a Unix socket."""

_IPV6_PREFIX = 64
# Of names that are no addresses.
_LONGEST = 64
# Some proxies write the client's port as well, which is another one for each connection.
_WITH_PORT = re.compile(r"\[([^\[\]]*)\](?::[0-9]+)?|([0-9.]+):[0-9]+", re.ASCII)


def network_of(peer: str | None) -> str:
    """What a client cannot change without effort: its IPv4 address, or 64 bits of its IPv6 one.

    Args:
        peer: From the ASGI scope. Never from a header, which any client writes as it likes.
    """
    if not peer:
        return UNKNOWN_NETWORK
    given = _WITH_PORT.fullmatch(peer)
    try:
        address = ip_address(peer if given is None else given[1] or given[2])
    except ValueError:
        # Starlette's test client, or a server with names of its own.
        return escape(peer[:_LONGEST])
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), _IPV6_PREFIX), strict=False))


def account_key(name: str) -> str:
    """The same for names that a user directory may take for one."""
    return normalize("NFKC", name).casefold().strip()
