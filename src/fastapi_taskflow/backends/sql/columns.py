"""What columns hold, the same in every database: microseconds, words, JSON.

A value that cannot be read comes back as it was found, so that it spoils no other row.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa

from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["NAME", "Json", "Moment", "Word", "columns", "serial"]

# Names, ids and keys are in indexes.
NAME = sa.String(255)


class Moment(sa.TypeDecorator[datetime]):
    """An aware time, as microseconds since the epoch."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else to_micros(value.astimezone(UTC))

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> Any:
        return from_micros(value) if type(value) is int else value


class Word(sa.TypeDecorator[Enum]):
    """One of an enum's words."""

    impl = sa.String(32)
    cache_ok = True

    def __init__(self, words: type[Enum]) -> None:
        super().__init__()
        self.kind = words

    def process_bind_param(self, value: Enum | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else str(value.name)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> Any:
        return self.kind.__members__.get(str(value), value)


class Json(sa.TypeDecorator[Any]):
    """A mapping or a collection of plain values, as text."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any | None, dialect: sa.Dialect) -> str | None:
        return json.dumps(dict(value or {}) if self.kind is dict else list(value or ()))

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> Any:
        try:
            return self.kind(json.loads(value or ""))
        except (ValueError, TypeError):
            return value


def columns(kind: Any, *names: str, null: bool = False, key: bool = False) -> list[sa.Column[Any]]:
    """Columns of one kind."""
    return [sa.Column(name, kind, nullable=null, primary_key=key) for name in names]


def serial(name: str) -> sa.Column[Any]:
    """A number that the database gives, larger than any that it gave before."""
    # SQLite counts up only what is called INTEGER.
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
