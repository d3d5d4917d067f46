"""The chain of the audit: each entry carries a hash over itself and the hash of the one before.

So who changes, adds, moves or deletes one has to write all later ones anew, and whoever has kept a
later hash elsewhere sees it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC
from hashlib import sha256
from typing import NamedTuple

from fastapi_taskflow.words.models import AuditEntry

__all__ = ["RECENT", "Break", "Walk", "linked"]

RECENT = 100
"""So many of the newest entries are looked at for those that are sent again."""


class Break(NamedTuple):
    """An entry that does not fit, and why."""

    entry_id: str
    reason: str


def linked(
    previous: str, known: Collection[str], entries: Iterable[AuditEntry]
) -> list[AuditEntry]:
    """New entries with their hashes; without those that are there already.

    Args:
        previous: Hash of the newest entry; empty where there is none, or it has none.
        known: Ids of the newest ones.
    """
    found: list[AuditEntry] = []
    for entry in entries:
        if entry.entry_id not in known:
            new = replace(entry, previous=previous)
            new.hash = previous = _hash(new)
            found.append(new)
    return found


class Walk:
    """A look at the chain from its newest entry back.

    Attributes:
        checked: Entries with hashes so far.
        unchained: Older ones, from before there was a chain.
        head: The newest hash; None without any.
        broken: The oldest entry so far that does not fit.
    """

    def __init__(self) -> None:
        self.checked = self.unchained = 0
        self.head: str | None = None
        self.broken: Break | None = None
        self._newer: AuditEntry | None = None

    def see(self, entry: AuditEntry) -> None:
        """The next older entry."""
        self._follows(entry)
        if not entry.hash:
            self.unchained += 1
        else:
            self.checked += 1
            self.head = self.head or entry.hash
            if not _fits(entry):
                self.broken = Break(entry.entry_id, "its content was changed")
        self._newer = entry

    def end(self, anchor: str) -> None:
        """There are no older ones; ``anchor`` is the hash of the last that was dropped."""
        newer = self._newer
        if newer is not None and newer.hash and newer.previous != anchor:
            self.broken = Break(newer.entry_id, "the entries before it are gone")

    def _follows(self, entry: AuditEntry) -> None:
        newer = self._newer
        if newer is None:
            return
        if newer.hash and newer.previous != entry.hash:
            self.broken = Break(newer.entry_id, "another entry was before it")
        elif entry.hash and not newer.hash:
            self.broken = Break(newer.entry_id, "it has no hash")


def _fits(entry: AuditEntry) -> bool:
    try:
        return _hash(entry) == entry.hash
    # What somebody has put into the store may be anything.
    except Exception:
        return False


def _hash(entry: AuditEntry) -> str:
    names = (entry.entry_id, entry.action, entry.task_id, entry.actor)
    # As stores write what is no Unicode.
    plain = [one.encode("utf-8", "backslashreplace").decode() for one in names]
    moment = entry.timestamp if entry.timestamp.tzinfo else entry.timestamp.replace(tzinfo=UTC)
    parts = [entry.previous, *plain, moment.astimezone(UTC).isoformat(), entry.detail]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
