"""Drivers that need what an extra of the package installs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.base.forwarding import Forwarding
from fastapi_taskflow.backends.base.migration import Migration

__all__ = ["ByExtra", "driver"]


def driver(module: str, *, extra: str, needs: str) -> Any:
    """A module of a driver, imported when a store of its kind is first made.

    Args:
        module: Below `backends`.
        extra: Which installs what it needs.
        needs: The package that tells whether it is installed.

    Raises:
        ImportError: it is not; the message names the extra.
    """
    try:
        import_module(needs)
        return import_module(f"fastapi_taskflow.backends.{module}")
    except ModuleNotFoundError as exc:
        raise ImportError(
            f"A store on this kind of server needs {exc.name}: "
            f"pip install 'fastapi-taskflow[{extra}]'."
        ) from exc


class ByExtra(Forwarding):
    """A backend by a public name, in front of its driver."""

    @property
    def migration(self) -> Migration | None:
        return self.inner.migration

    def onlooker(self) -> Backend:
        return self.inner.onlooker()
