"""Where a browser goes after signing in: a path of ours, and nothing else."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from fastapi import Request

from fastapi_taskflow.admin.site.site import Place

__all__ = ["login_address", "safe_next"]

# No percent sign, backslash, colon or empty segment, and no segment that begins with a dot:
# what is left has one meaning to every browser and proxy.
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", re.ASCII)
_QUERY = re.compile(r"[A-Za-z0-9._~%!$'()*+,;=:@/?&-]*", re.ASCII)
_LONGEST = 2_000


def safe_next(place: Place, wanted: str | None) -> str:
    """``wanted`` if it is a path of this `TaskAdmin`, else the dashboard's."""
    if wanted is None or len(wanted) > _LONGEST or not wanted.startswith(place.base):
        return place.page()
    path, _, query = wanted[len(place.base) :].partition("?")
    if _PATH.fullmatch(path) and _QUERY.fullmatch(query):
        return wanted
    return place.page()


def login_address(place: Place, request: Request) -> str:
    """Where to sign in, to come back to what was asked for."""
    address = place.path("auth", "login")
    if request.method != "GET":
        # It cannot be sent once more.
        return address
    path, root = str(request.scope["path"]), str(request.scope.get("root_path", ""))
    inside = path.removeprefix(root).removeprefix(place.site.prefix)
    query = request.scope["query_string"].decode("latin-1")
    asked = safe_next(place, place.base + quote(inside) + (f"?{query}" if query else ""))
    return address if asked == place.page() else f"{address}?{urlencode({'next': asked})}"
