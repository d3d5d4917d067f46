"""What columns hold, the same in every database: texts, microseconds, words, JSON.

A value that cannot be read comes back as it was found, so that it spoils no other row.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from fastapi_taskflow.words.clock import from_micros, to_micros

__all__ = ["BYTES", "NAME", "TEXT", "Json", "Moment", "Word", "columns", "serial"]

_MYSQL = "mysql", "mariadb"
# PostgreSQL's texts have no NUL: a noncharacter of Unicode, which is there for such uses, and
# another that says what is meant, itself or NUL. So every text has one form, and the form of a
# text's beginning is the beginning of its form.
_MARK, _NUL, _ITSELF = "\ufdd0", "\ufdd1", "\ufdd2"


class Text(sa.TypeDecorator[str]):
    """Any text, ordered by code points; what is no Unicode is written out.

    Args:
        most: Characters of what stands in indexes. None: any number.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.most = most

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        kind: TypeEngine[Any] = sa.String(self.most) if self.most else sa.Text()
        if dialect.name == "postgresql" and self.most:
            # Twice as long, for what is written as two characters.
            kind = sa.String(2 * self.most, collation="C")
        elif dialect.name in _MYSQL:
            # Others leave out spaces at the end when they compare.
            is_mariadb = getattr(dialect, "is_mariadb", False)
            collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
            how = {"charset": "utf8mb4", "collation": collation}
            kind = mysql.VARCHAR(self.most, **how) if self.most else mysql.LONGTEXT(**how)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is None or (value.isascii() and "\0" not in value):
            return value
        value = value.encode("utf-8", "backslashreplace").decode()
        if dialect.name == "postgresql":
            value = value.replace(_MARK, _MARK + _ITSELF).replace("\0", _MARK + _NUL)
        return value

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> Any:
        if dialect.name == "postgresql" and value is not None and _MARK in value:
            value = value.replace(_MARK + _NUL, "\0").replace(_MARK + _ITSELF, _MARK)
        return value


# Names, ids and keys are in indexes.
NAME = Text(255)
TEXT = Text()
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *_MYSQL)


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
    """A mapping or a collection of plain values, as text of ASCII."""

    impl = sa.Text().with_variant(mysql.LONGTEXT(), *_MYSQL)
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
