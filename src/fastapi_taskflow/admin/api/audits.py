"""The audit as the JSON routes show it."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from fastapi_taskflow.admin.api.fields import Model, Moment
from fastapi_taskflow.operations import AuditCheck
from fastapi_taskflow.words.models import AuditEntry

__all__ = ["AuditCheckInfo", "AuditInfo"]


class AuditInfo(Model):
    """One act of an operator. `task_id` is the name of a queue or schedule that was acted on, and
    `history`, `bulk-retry` or `retry-failed` where many tasks were, and `session` where
    somebody signed in or out.
    """

    entry_id: str
    action: str
    task_id: str
    actor: str
    timestamp: Moment
    detail: dict[str, Any]
    hash: str | None = Field(
        description="Over this entry and the hash of the one before. Null: it is from before there "
        "were hashes"
    )

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls.model_validate({**entry.to_dict(), "hash": entry.hash or None})


class AuditBreak(Model):
    """An entry that is not as it was written, or does not follow the one before it."""

    entry_id: str
    reason: str


class AuditCheckInfo(Model):
    """Whether the audit is as it was written. Its newest entries may have been cut off, or all of
    it written anew, only if `head` is not what was kept of it elsewhere.
    """

    checked: int
    unchained: int = Field(description="Entries from before there were hashes")
    head: str | None = Field(description="The newest hash")
    broken: AuditBreak | None = Field(description="The first entry that does not fit")
    whole: bool = Field(description="False: older entries were not looked at")

    @classmethod
    def of(cls, check: AuditCheck) -> Self:
        broken = None if check.broken is None else AuditBreak(**check.broken._asdict())
        return cls(**{**check._asdict(), "broken": broken})
