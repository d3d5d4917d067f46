"""Insert: groups of tasks are judged as `backends.rules.admission` says, and stored."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from fastapi_taskflow.backends.base import Admission, Inserted, NewTask, Stored
from fastapi_taskflow.backends.memory.endings import cancel
from fastapi_taskflow.backends.memory.rows import Row
from fastapi_taskflow.backends.memory.table import Table
from fastapi_taskflow.backends.rules.admission import Desk, Draft, Entry, is_plain, with_live_owner
from fastapi_taskflow.backends.rules.duetimes import due_of
from fastapi_taskflow.backends.rules.facts import (
    Facts,
    Holder,
    Known,
    Mate,
    Original,
    keys_of,
    needs,
)
from fastapi_taskflow.backends.rules.turns import Place
from fastapi_taskflow.words.clock import SteadyClock
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["Admissions"]


class Admissions:
    """One call of insert.

    Args:
        alive: Ids of the instances that may own what they insert.
        clock: Gives the one instant of this call.
    """

    def __init__(
        self,
        table: Table,
        alive: Container[str],
        limits: Mapping[str, int],
        key_ttl: float,
        clock: SteadyClock,
    ) -> None:
        self._table = table
        self._alive = alive
        self._limits = limits
        self._key_ttl = key_ttl
        self._now = clock.now()
        self._lead = clock.lead

    def admit(self, groups: Sequence[Sequence[NewTask]]) -> list[Admission]:
        """Store groups, or the REJECTED record of a group's first task that does not fit."""
        answers: list[Admission] = []
        for group in groups:
            if not self._is_free(group):
                return answers + self._judge(groups[len(answers) :])
            answers.append(Stored(tuple(map(self._store, group))))
        return answers

    def _judge(self, groups: Sequence[Sequence[NewTask]]) -> list[Admission]:
        desk = Desk(self._facts(groups), self._limits, self._now)
        answers = [desk.judge(group) for group in groups]
        self._carry_out(desk.draft)
        return answers

    def _is_free(self, group: Sequence[NewTask]) -> bool:
        """The group is plain, and no id is known or comes twice."""
        rows, aliases = self._table.rows, self._table.aliases
        for task in group:
            if task.task_id in rows or task.task_id in aliases:
                return False
        if len(group) > 1 and len({task.task_id for task in group}) < len(group):
            return False
        return is_plain(group, self._limits)

    def _facts(self, groups: Sequence[Sequence[NewTask]]) -> Facts:
        table = self._table
        ids, retried, queues, turns = needs(groups, self._limits)
        known: dict[str, Known | None] = {
            one: Known(row.status, int(row.born_claimed))
            for one in ids
            if (row := table.rows.get(one)) is not None
        }
        aliases: dict[str, str | None] = {
            one: table.aliases[one] for one in (*ids, *retried) if one in table.aliases
        }
        originals: dict[str, Original | None] = {
            row.task_id: Original(
                row.task_id,
                row.status,
                row.record.retried_as,
                row.record.idempotency_key,
                row.fingerprint,
                row.family.queue,
                row.family.func_name,
                row.member,
            )
            for row in map(table.find, retried)
            if row is not None
        }
        holders: dict[str, Holder | None] = {
            key: Holder(hold.task_id, hold.fingerprint)
            for key in keys_of(groups, originals)
            if (hold := table.keys.holder(key, self._now)) is not None
        }
        waiting = {queue: table.waiting.get(queue, 0) for queue in queues}
        mates: dict[str, tuple[Mate, ...] | None] = {
            key: tuple(map(_mate, table.turns.of(key, None if every else 1)))
            for key, every in turns.items()
        }
        return Facts(known, aliases, originals, holders, waiting, self._alive, mates)

    def _carry_out(self, draft: Draft) -> None:
        table = self._table
        for entry in draft.entries:
            if entry.status is TaskStatus.PENDING:
                self._make_way(entry.place)
                self._store(entry.task)
            else:
                self._turn_away(entry)
        for alias, canonical in draft.aliases.items():
            table.alias(alias, table.rows.get(canonical), canonical)
        # A rejected record may have pushed an original out.
        for original in (*(one for one, _ in draft.linked), *draft.replaced):
            table.batches.revive(original.member, original.status, self._now)
        for original, retried_as in draft.linked:
            if (row := table.rows.get(original.task_id)) is not None:
                row.record.retried_as = retried_as
        for original in draft.replaced:
            if (row := table.rows.get(original.task_id)) is not None:
                table.delete(row)
        table.pass_on(self._now)

    def _make_way(self, place: Place) -> None:
        for mate in place.asked:
            self._table.rows[mate.task_id].cancel_asked = True
        for mate in place.displaced:
            cancel(self._table, mate.task_id, self._now)

    def _turn_away(self, entry: Entry) -> None:
        row = self._table.add_new(entry.task)
        row.record.end_time, row.record.due_at = (
            self._now,
            due_of(entry.task, self._now, self._lead),
        )
        self._table.end(row, entry.status, self._now)

    def _store(self, task: NewTask) -> Inserted:
        table = self._table
        task = with_live_owner(task, self._alive)
        row = table.add_new(task)
        table.turns.join(row)
        table.wait(row)
        if task.idempotency_key is not None:
            row.hold = table.keys.take(
                task.idempotency_key,
                task.fingerprint,
                task.task_id,
                task.holds_key_for(self._key_ttl),
            )
        due = due_of(task, self._now, self._lead)
        if task.owner is None:
            table.free(row, due, self._now)
            return Inserted(task.task_id, duplicate=False, fence=0)
        row.record.due_at = due
        row.fence = 1
        table.assign(row, task.owner)
        return Inserted(task.task_id, duplicate=False, fence=1)


def _mate(row: Row) -> Mate:
    fresh = row.record.start_time is None
    record = row.record
    return Mate(
        row.task_id,
        record.func_name,
        row.status,
        row.family.queue,
        fresh,
        row.cancel_asked,
        record.created_at,
    )
