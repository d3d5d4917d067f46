"""Migrations by hand."""

from __future__ import annotations

from fastapi_taskflow.backends.base import migration as port
from fastapi_taskflow.backends.sql.store import OnStore

__all__ = ["SqlMigration"]


class SqlMigration(OnStore, port.Migration):
    """Of the tables of a store that need not be open."""

    async def plan(self) -> port.Planned:
        return await self._store.planned()

    async def run(self) -> port.Planned:
        found = await self._store.planned()
        await self._store.open()
        await self._store.close()
        return found
