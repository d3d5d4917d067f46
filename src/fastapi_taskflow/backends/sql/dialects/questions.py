"""What is asked of a server about its state, as data: a statement, and when its answer is bad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from fastapi_taskflow.backends.base import Finding, Level

__all__ = ["Question", "findings"]


class Question(NamedTuple):
    """One finding of a server.

    Attributes:
        check: Its name.
        asks: SQL with one row: ``value``, and what the words need. ``:prefix`` is that of our
            tables, as a pattern of LIKE. No row, or a null: there is nothing to tell.
        words: A format of the row.
        most: A value above it is bad. It and the row's columns may stand in ``mend``.
        level: How bad.
    """

    check: str
    asks: str
    words: str
    most: float
    mend: str
    level: Level = Level.WARNING


async def findings(
    sql: AsyncConnection, questions: Iterable[Question], prefix: str
) -> list[Finding]:
    """The answers that a server gives; what this user may not see is said too."""
    found = []
    given = {"prefix": prefix.replace("_", r"\_") + "%"}
    for one in questions:
        try:
            row = (await sql.execute(sa.text(one.asks), given)).mappings().first()
        except DBAPIError as exc:
            if exc.connection_invalidated:
                raise
            text = f"not told to this user: {exc.orig}"
            found.append(Finding(one.check, Level.NOTE, text, "Ask as a user who may monitor."))
            continue
        if row is not None and row["value"] is not None:
            found.append(_judged(one, dict(row)))
    return found


def _judged(one: Question, row: dict[str, Any]) -> Finding:
    said = one.words.format(**row)
    if row["value"] <= one.most:
        return Finding(one.check, Level.OK, said)
    return Finding(one.check, one.level, said, one.mend.format(**row))
