"""Where people look and act: one manager's engine, and the audit of what was done."""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi_taskflow.backends.base import InstanceInfo
from fastapi_taskflow.engine.lifecycle import Engine
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.words.ids import new_id
from fastapi_taskflow.words.models import AuditEntry
from fastapi_taskflow.words.plain import is_a
from fastapi_taskflow.words.quoting import quoted

__all__ = ["ANONYMOUS", "Desk", "note"]

ANONYMOUS = "anonymous"


class Desk:
    """What an operation needs: a manager's running engine, and a place to note it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @property
    def engine(self) -> Engine:
        """The running one; see `Runtime.engine`."""
        return self.runtime.engine()

    async def living(self) -> list[InstanceInfo]:
        """What the instances say of themselves that nothing proves dead."""
        signals = await self.engine.backend.signals(self.engine.instance_id)
        return [peer.info for peer in signals.peers if not peer.gone]

    async def note(self, action: str, target: str, actor: str, detail: dict[str, Any]) -> None:
        """Tell the audit, without secrets that people typed."""
        engine = self.engine
        await note(engine, action, target, actor, engine.settings.redactor.details(detail))


async def note(
    engine: Engine, action: str, target: str, actor: str, detail: dict[str, Any]
) -> None:
    """Tell the audit. The act is done: here nothing that was given with it may be refused."""
    who = actor if is_a(actor, str) else quoted(actor)
    detail = {name: _plain(value) for name, value in detail.items()}
    entry = AuditEntry(new_id(), action, target, who, engine.clock.now(), detail)
    await engine.backend.append_audit([entry])


def _plain(value: Any) -> Any:
    """Dates, which people give and JSON cannot say, as text."""
    return value.isoformat() if is_a(value, date) else value
