"""Who may use the routes of a `TaskAdmin`, and from where a browser may send.

The rule for local clients rests on the peer's address, so a proxy on the same machine that
adds no forwarding header defeats it: behind one, apps set ``dependencies=``.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

from fastapi import HTTPException, Request
from starlette.datastructures import Headers

from fastapi_taskflow.texts import clean

__all__ = ["Access", "Refused", "actor", "is_local", "is_same_origin"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Names of the machine itself only, so that a page whose name was rebound to 127.0.0.1 is
# refused.
_LOCAL_HOST = re.compile(
    r"(?:localhost|127\.0\.0\.1|\[::1\]|testserver)(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)
# Beside X-Forwarded-*: what a proxy adds and a direct client never does.
_PROXY_HEADERS = frozenset({"forwarded", "via", "x-real-ip"})
# Starlette's test client calls the app directly and names itself so.
_TEST_CLIENT = "testclient"
_ACTOR_LIMIT = 256

_NOT_LOCAL = (
    "The task API answers direct clients on the same machine only, and this request is not "
    "one: it needs a loopback peer, a Host of localhost, 127.0.0.1 or [::1], and no forwarding "
    "header. To admit others, give TaskAdmin dependencies=[Depends(your_check)]; auth=None "
    "opens it to everybody."
)
_OTHER_SITE = (
    "Refused because the request comes from another site. Browsers must send "
    "Sec-Fetch-Site: same-origin or an Origin that equals Host."
)
_READ_ONLY = "TaskAdmin was made with read_only=True: nothing can be changed here."


class Refused(HTTPException):
    """403: the client may not do this."""

    def __init__(self, detail: str) -> None:
        super().__init__(403, detail)


class Access:
    """Dependency in front of every route of one `TaskAdmin`.

    Args:
        local_only: Serve direct local clients, nobody else.
        read_only: Refuse every method that changes something.
    """

    def __init__(self, *, local_only: bool, read_only: bool) -> None:
        self.local_only = local_only
        self.read_only = read_only

    async def __call__(self, request: Request) -> None:
        """Pass, or raise `Refused`."""
        peer = None if request.client is None else request.client.host
        if self.local_only and not is_local(peer, request.headers):
            raise Refused(_NOT_LOCAL)
        if request.method in _SAFE:
            return
        if not is_same_origin(request.headers):
            raise Refused(_OTHER_SITE)
        if self.read_only:
            raise Refused(_READ_ONLY)


def is_local(peer: str | None, headers: Headers) -> bool:
    """The request comes straight from this machine, or from the test client."""
    # First: servers may take the peer's address from such a header.
    if any(name in _PROXY_HEADERS or name.startswith("x-forwarded") for name in headers):
        return False
    if peer == _TEST_CLIENT:
        return True
    hosts = headers.getlist("host")
    return _is_loopback(peer) and len(hosts) == 1 and _LOCAL_HOST.fullmatch(hosts[0]) is not None


def is_same_origin(headers: Headers) -> bool:
    """No page of another origin sent the request, as far as browsers tell."""
    sites = headers.getlist("sec-fetch-site")
    if sites:
        return sites in (["same-origin"], ["none"])
    origins, hosts = headers.getlist("origin"), headers.getlist("host")
    if not origins:
        # Not a browser: those name an origin with every unsafe request.
        return True
    if len(origins) != 1 or len(hosts) != 1:
        return False
    scheme, _, authority = origins[0].lower().partition("://")
    return scheme in ("http", "https") and authority == hosts[0].lower()


def actor(request: Request) -> str:
    """Who acts, for the audit: the user of Starlette's authentication, else ``anonymous``."""
    user = request.scope.get("user")
    if not getattr(user, "is_authenticated", False):
        return "anonymous"
    name = clean(str(getattr(user, "display_name", "")))[:_ACTOR_LIMIT]
    return name or "anonymous"


def _is_loopback(peer: str | None) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
