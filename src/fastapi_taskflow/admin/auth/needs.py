"""What each route needs: the one place that says who may do what over HTTP.

A route that is not named here cannot be made; see `routing.AdminRoute`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from fastapi_taskflow.rules.auth.roles import Permission
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["NEEDS", "methods_of", "needed"]

_NONE, _READ = Permission.NONE, Permission.READ
_ACT, _CONFIGURE = Permission.ACT, Permission.CONFIGURE

NEEDS: Mapping[tuple[str, str], Permission] = MappingProxyType(
    {
        ("GET", ""): _READ,
        ("GET", "/metrics"): _READ,
        ("GET", "/queues"): _READ,
        ("PATCH", "/queues/{name}"): _CONFIGURE,
        ("POST", "/queues/{name}/pause"): _ACT,
        ("POST", "/queues/{name}/resume"): _ACT,
        ("POST", "/bulk-retry"): _ACT,
        ("POST", "/retry-failed"): _ACT,
        ("GET", "/functions"): _READ,
        ("GET", "/instances"): _READ,
        ("GET", "/health"): _READ,
        ("GET", "/health/live"): _READ,
        ("GET", "/audit"): _READ,
        ("DELETE", "/history"): _CONFIGURE,
        ("GET", "/{task_id}"): _READ,
        ("POST", "/{task_id}/retry"): _ACT,
        ("POST", "/{task_id}/cancel"): _ACT,
        ("GET", "/dashboard"): _READ,
        # The page to sign in looks like the others.
        ("GET", "/dashboard/assets/{name}"): _NONE,
        ("GET", "/dashboard/tasks/{task_id}"): _READ,
        ("POST", "/dashboard/tasks/{task_id}/retry"): _ACT,
        ("POST", "/dashboard/tasks/{task_id}/cancel"): _ACT,
        ("POST", "/dashboard/queues/{name}/pause"): _ACT,
        ("POST", "/dashboard/queues/{name}/resume"): _ACT,
        ("GET", "/auth/login"): _NONE,
        ("POST", "/auth/login"): _NONE,
        ("POST", "/auth/logout"): _NONE,
    }
)
"""By method and path (relative to the `TaskAdmin`)."""


def needed(path: str, methods: Iterable[str]) -> Permission:
    """What a route needs."""
    wanted = {NEEDS.get((method, path)) for method in methods}
    permission = wanted.pop() if len(wanted) == 1 else None
    if permission is None:
        raise ConfigurationError(
            f"The route {' '.join(sorted(methods))} {path!r} of TaskAdmin has no permission: "
            "name it in http/needs.py."
        )
    return permission


def methods_of(path: str) -> frozenset[str]:
    """What may be asked of a path (relative to the `TaskAdmin`), by all of its routes."""
    methods = frozenset(method for method, one in NEEDS if one == path)
    return methods | {"HEAD"} if "GET" in methods else methods
