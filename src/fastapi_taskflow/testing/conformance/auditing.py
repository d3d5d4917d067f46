"""What operators did: kept, paged, and chained by hashes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.rules.auditing import Walk
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import Conformance, fresh_id
from fastapi_taskflow.words.models import AuditEntry


class Audit(Conformance):
    """What operators did, newest first."""

    def entry(self, clock: ManualClock, **changes: Any) -> AuditEntry:
        values: dict[str, Any] = {
            "entry_id": fresh_id(),
            "action": "cancel",
            "task_id": fresh_id(),
            "actor": "änn 'o\"",
            "timestamp": clock.now() + timedelta(microseconds=7),
            "detail": {"text": "x\x00", "number": 1, "nested": {"list": [1, None, True]}},
        }
        return AuditEntry(**(values | changes))

    async def test_entries_come_back_as_they_were_newest_first(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        assert await backend.audit(limit=5) == ([], None)
        entries = [self.entry(clock), self.entry(clock, detail={}), self.entry(clock)]

        await backend.append_audit(entries[:2])
        await backend.append_audit(entries[2:])
        await backend.append_audit([])

        assert await backend.audit(limit=5) == (entries[::-1], None)

    async def test_pages_stay_true_while_entries_come(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        entries = [self.entry(clock) for _ in range(4)]
        await backend.append_audit(entries)

        first, cursor = await backend.audit(limit=2)
        await backend.append_audit([self.entry(clock)])
        second, after = await backend.audit(limit=2, cursor=cursor)

        assert [*first, *second] == entries[::-1]
        assert after is None

    @pytest.mark.parametrize("cursor", ["nonsense", "-", "9" * 400])
    async def test_a_cursor_of_somebody_else_is_refused(
        self, backend: Backend, cursor: str
    ) -> None:
        with pytest.raises(ValueError):
            await backend.audit(limit=1, cursor=cursor)

    async def test_each_entry_has_the_hash_of_the_one_before(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        for size in (1, 2, 1):
            await backend.append_audit([self.entry(clock) for _ in range(size)])

        entries, _ = await backend.audit(limit=9)

        assert [one.previous for one in entries] == [*(one.hash for one in entries[1:]), ""]
        assert len({one.hash for one in entries}) == 4
        walk = await self.walked(backend)
        assert (walk.checked, walk.head, walk.broken) == (4, entries[0].hash, None)

    async def test_an_entry_that_is_sent_again_is_kept_once(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        entries = [self.entry(clock) for _ in range(3)]
        await backend.append_audit(entries[:2])

        await backend.append_audit(entries[:2])
        await backend.append_audit(entries[1:])

        assert (await backend.audit(limit=9))[0] == entries[::-1]
        assert (await self.walked(backend)).broken is None

    async def test_all_writers_add_to_one_chain(
        self, backend: Backend, second: Backend, clock: ManualClock
    ) -> None:
        writes = [
            store.append_audit([self.entry(clock)]) for _ in range(8) for store in (backend, second)
        ]

        await asyncio.gather(*writes)

        walk = await self.walked(second)
        assert (walk.checked, walk.broken) == (16, None)

    async def walked(self, backend: Backend) -> Walk:
        """The whole chain, page by page."""
        walk, cursor = Walk(), None
        while True:
            page, cursor = await backend.audit(limit=3, cursor=cursor)
            for one in page:
                walk.see(one)
            if cursor is None:
                walk.end(await backend.audit_anchor())
                return walk
