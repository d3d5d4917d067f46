"""Roles, and what each of them may do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Literal, TypeGuard, get_args

__all__ = ["ROLES", "Permission", "Role", "is_role", "permissions"]

Role = Literal["viewer", "operator", "admin"]
"""``"viewer"`` looks, ``"operator"`` also acts on tasks, ``"admin"`` also changes settings."""

ROLES: tuple[Role, ...] = get_args(Role)


class Permission(Enum):
    """What a route needs. ``NONE`` is for what somebody needs before signing in."""

    NONE = "none"
    READ = "read"
    READ_CONTENTS = "read contents"
    ACT = "act"
    CONFIGURE = "configure"


_GRANTED: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        "viewer": frozenset({Permission.READ}),
        "operator": frozenset({Permission.READ, Permission.READ_CONTENTS, Permission.ACT}),
        "admin": frozenset(Permission) - {Permission.NONE},
    }
)


def is_role(value: Any) -> TypeGuard[Role]:
    """It is the name of a role."""
    return isinstance(value, str) and value in ROLES


def permissions(role: Role, *, viewers_read_contents: bool = False) -> frozenset[Permission]:
    """What a role may do.

    Args:
        viewers_read_contents: Everybody who may look also sees arguments and log lines.
    """
    granted = _GRANTED[role]
    return granted | {Permission.READ_CONTENTS} if viewers_read_contents else granted
