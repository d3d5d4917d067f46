"""What one claim takes from the agenda, within limits if it names any."""

from __future__ import annotations

from collections.abc import Collection

from fastapi_taskflow.backends.base import ClaimRequest
from fastapi_taskflow.backends.memory.rows import Row
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.rules.allowing import Allowance, Taken, Usage
from fastapi_taskflow.backends.rules.claiming import Room
from fastapi_taskflow.backends.rules.pausing import Pauses
from fastapi_taskflow.words.clock import SteadyClock

__all__ = ["take"]


def take(
    table: Table, request: ClaimRequest, paused: Collection[str], clock: SteadyClock
) -> list[Row]:
    """Remove free tasks from the agenda; they have no owner yet."""
    allowance = None
    if request.limits is not None:
        usage = Usage(table.tallies.leased(), table.levels, clock.micros())
        allowance = Allowance(request.limits, usage)
    pauses = Pauses.of(paused)
    if pauses.functions:
        request = request._replace(functions=request.functions - pauses.functions)
    room = Room(request, pauses.queues, allowance)
    rows = table.agenda.take(request, room, clock.now(), pauses)
    if allowance is not None:
        taken = (
            Taken(row.family.queue, row.family.func_name, row.record.order_key) for row in rows
        )
        table.spend(allowance.spend(taken), clock.micros())
    return rows
