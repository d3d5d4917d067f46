"""From where the routes of a `TaskAdmin` may be used, and from where a browser may send.

The rule for local clients rests on the peer's address, so a proxy on the same machine that
adds no forwarding header defeats it: behind one, apps set ``auth=`` or ``dependencies=``.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from fastapi import Request
from starlette.datastructures import Headers

from fastapi_taskflow.admin.auth.credentials import (
    has_local_host,
    has_session_cookie,
    is_forwarded,
    is_test,
)
from fastapi_taskflow.admin.auth.refusals import Refused

__all__ = ["Access", "is_local", "is_same_origin"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_NOT_LOCAL = (
    "The task API answers direct clients on the same machine only, and this request is not "
    "one: it needs a loopback peer, a Host of localhost, 127.0.0.1 or [::1], and no forwarding "
    "header. To admit others, give TaskAdmin auth=(name, password) or "
    "dependencies=[Depends(your_check)]; auth=None opens it to everybody."
)
_OTHER_SITE = (
    "Refused because the request comes from another site. Browsers must send "
    "Sec-Fetch-Site: same-origin or an Origin that equals Host."
)


class Access:
    """Dependency in front of every route of one `TaskAdmin`."""

    def __init__(self, *, local_only: bool) -> None:
        self.local_only = local_only

    async def __call__(self, request: Request) -> None:
        """Pass, or raise `Refused`."""
        if self.local_only and not is_local(request):
            raise Refused(_NOT_LOCAL)
        if request.method in _SAFE:
            return
        if not is_same_origin(request.headers, from_browser=has_session_cookie(request)):
            raise Refused(_OTHER_SITE)


def is_local(request: Request) -> bool:
    """The request comes straight from this machine, or from the test client."""
    # First: servers may take the peer's address from such a header.
    if is_forwarded(request.headers):
        return False
    if is_test(request):
        return True
    peer = None if request.client is None else request.client.host
    return _is_loopback(peer) and has_local_host(request.headers)


def is_same_origin(headers: Headers, *, from_browser: bool = False) -> bool:
    """No page of another origin sent the request, as far as browsers tell.

    Args:
        from_browser: It is known to come from one, so it has to tell.
    """
    sites = headers.getlist("sec-fetch-site")
    if sites:
        return sites in (["same-origin"], ["none"])
    origins, hosts = headers.getlist("origin"), headers.getlist("host")
    if not origins:
        # Browsers name an origin with every unsafe request; old ones may not.
        return not from_browser
    if len(origins) != 1 or len(hosts) != 1:
        return False
    scheme, _, authority = origins[0].lower().partition("://")
    return scheme in ("http", "https") and authority == hosts[0].lower()


def _is_loopback(peer: str | None) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
