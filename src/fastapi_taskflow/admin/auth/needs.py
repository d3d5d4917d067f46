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
        ("GET", "/export.csv"): _READ,
        ("GET", "/metrics"): _READ,
        ("GET", "/queues"): _READ,
        ("PATCH", "/queues/{name}"): _CONFIGURE,
        ("POST", "/queues/{name}/pause"): _ACT,
        ("POST", "/queues/{name}/drain"): _ACT,
        ("POST", "/queues/{name}/resume"): _ACT,
        ("GET", "/schedules"): _READ,
        ("POST", "/schedules/{name}/run"): _ACT,
        ("POST", "/schedules/{name}/pause"): _ACT,
        ("POST", "/schedules/{name}/resume"): _ACT,
        ("GET", "/batches"): _READ,
        ("GET", "/batches/{batch_id}"): _READ,
        ("POST", "/batches/{batch_id}/cancel"): _ACT,
        ("POST", "/batches/{batch_id}/retry"): _ACT,
        ("GET", "/failures"): _READ,
        ("GET", "/failures/{group}"): _READ,
        ("POST", "/failures/{group}/retry"): _ACT,
        ("GET", "/pauses"): _READ,
        ("POST", "/pauses"): _ACT,
        ("POST", "/pauses/resume"): _ACT,
        ("GET", "/bulk"): _READ,
        ("POST", "/bulk"): _ACT,
        ("POST", "/bulk/preview"): _READ,
        ("GET", "/bulk/{bulk_id}"): _READ,
        ("POST", "/bulk/{bulk_id}/cancel"): _ACT,
        ("POST", "/bulk-retry"): _ACT,
        ("POST", "/retry-failed"): _ACT,
        ("GET", "/functions"): _READ,
        ("GET", "/instances"): _READ,
        ("GET", "/health"): _READ,
        ("GET", "/health/live"): _READ,
        ("GET", "/audit"): _READ,
        ("GET", "/audit/verify"): _READ,
        ("DELETE", "/history"): _CONFIGURE,
        ("GET", "/history/preview"): _READ,
        ("GET", "/{task_id}"): _READ,
        ("GET", "/{task_id}/arguments"): Permission.READ_CONTENTS,
        ("GET", "/{task_id}/logs"): Permission.READ_CONTENTS,
        ("POST", "/{task_id}/retry"): _ACT,
        ("POST", "/{task_id}/run-again"): _ACT,
        ("POST", "/{task_id}/cancel"): _ACT,
        ("GET", "/dashboard"): _READ,
        # The page to sign in looks like the others.
        ("GET", "/dashboard/assets/{name}"): _NONE,
        ("GET", "/dashboard/stream"): _READ,
        ("GET", "/dashboard/{place:path}"): _READ,
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
            "name it in admin/auth/needs.py."
        )
    return permission


def methods_of(path: str) -> frozenset[str]:
    """What may be asked of a path (relative to the `TaskAdmin`), by all of its routes."""
    methods = frozenset(method for method, one in NEEDS if one == path)
    return methods | {"HEAD"} if "GET" in methods else methods
