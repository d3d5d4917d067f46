"""Ledgers: each kind of store writes down by its own means what is changed in it.

Triggers in SQLite, PostgreSQL and MariaDB; Redis is listened to.
"""

from __future__ import annotations

from trust.history import Ledger
from trust.ledgers.keys import RedisLedger
from trust.ledgers.sqlite import SqliteLedger
from trust.ledgers.tables import TablesLedger
from trust.stores import kind_of

__all__ = ["ledger_of"]


def ledger_of(place: str) -> Ledger:
    """The ledger of the store at a path or an address."""
    kind = kind_of(place)
    if kind == "sqlite":
        return SqliteLedger(place)
    return RedisLedger(place) if kind == "redis" else TablesLedger(place)
