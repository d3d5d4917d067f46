"""What columns hold, the same in every database: microseconds, words, JSON.

A value that cannot be read comes back as `Damaged`, so that it spoils no other row.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, String, Text, TypeDecorator

from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["BLOB", "NAME", "NUMBER", "SERIAL", "Damaged", "Json", "Moment", "Word"]

# SQLite counts up only what is called INTEGER.
SERIAL = BigInteger().with_variant(Integer, "sqlite")
NUMBER = BigInteger()
# Names, ids and keys are in indexes.
NAME = String(255)
BLOB = LargeBinary()


class Damaged(NamedTuple):
    """What was found in a column instead of a value."""

    found: object


class Moment(TypeDecorator[datetime]):
    """An aware time, as microseconds since the epoch."""

    impl = BigInteger
    cache_ok = True

    @property
    def python_type(self) -> type[Any]:
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_micros(value.astimezone(UTC))

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:
        if value is None or type(value) is not int:
            return value
        return from_micros(value)


class Word(TypeDecorator[Enum]):
    """One of an enum's words."""

    impl = String(32)
    cache_ok = True

    def __init__(self, words: type[Enum]) -> None:
        super().__init__()
        self.words = words

    @property
    def python_type(self) -> type[Any]:
        return self.words

    def process_bind_param(self, value: Enum | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value.value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:
        try:
            return None if value is None else self.words(value)
        except ValueError:
            return Damaged(value)


class Json(TypeDecorator[Any]):
    """A mapping or list of plain values, as text."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[dict[str, Any] | list[str]] = dict) -> None:
        super().__init__()
        self.kind = kind

    @property
    def python_type(self) -> type[Any]:
        return self.kind

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(self.kind(value))

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:
        try:
            return None if value is None else json.loads(value)
        except (ValueError, TypeError):
            return Damaged(value)
