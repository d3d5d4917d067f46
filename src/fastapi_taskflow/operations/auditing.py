"""Whether the audit is as it was written."""

from __future__ import annotations

from typing import NamedTuple

from fastapi_taskflow.backends.rules.auditing import Break, Walk
from fastapi_taskflow.operations.desk import Desk

__all__ = ["AuditCheck", "verify_audit"]

_PAGE = 500


class AuditCheck(NamedTuple):
    """What a look at the chain of the audit found.

    Attributes:
        checked: Entries with hashes that were looked at.
        unchained: Older ones without, from before there was a chain.
        head: The newest entry's hash; None without any.
        broken: The oldest entry that does not fit; None: all do.
        whole: No older entries were left out.
    """

    checked: int
    unchained: int
    head: str | None
    broken: Break | None
    whole: bool


async def verify_audit(desk: Desk, *, most: int | None = None) -> AuditCheck:
    """Check the hashes of the audit's entries, from the newest back.

    Who writes all of the chain anew, or cuts off its newest entries, is found only by a ``head``
    that was kept elsewhere.

    Args:
        most: Look at so many entries; None: at all.
    """
    backend, walk, cursor, seen = desk.engine.backend, Walk(), None, 0
    while True:
        limit = _PAGE if most is None else min(_PAGE, most - seen)
        page, cursor = await backend.audit(limit=limit, cursor=cursor)
        for entry in page:
            walk.see(entry)
        seen += len(page)
        if cursor is None:
            walk.end(await backend.audit_anchor())
        if cursor is None or seen == most:
            return AuditCheck(walk.checked, walk.unchained, walk.head, walk.broken, cursor is None)
