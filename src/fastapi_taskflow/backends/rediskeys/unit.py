"""What one verb reads and writes: all that it read has to be as it was when it writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from fastapi_taskflow.backends.rediskeys.rows import (
    APART,
    HEAD,
    Had,
    Kept,
    counts_of,
    fields_of,
    fixed_of,
    fixed_sets_of,
    row,
    sets_of,
    state_of,
)
from fastapi_taskflow.backends.rediskeys.scripts import ADD, COMMIT, TOUCHED
from fastapi_taskflow.backends.rediskeys.store import Command, Store
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.tries import Collided, Tried
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["OnStore", "Unit", "in_chunks"]

# So many fields the server's scripts hand to one command.
_CHUNK = 1000
_LARGEST_KEPT_BYTES = 32_768
_NOTHING: Mapping[str, Iterable[str]] = {}
_NEW = Had({}, frozenset(), frozenset())
_EVERY = frozenset(APART)


def in_chunks(names: Iterable[Any]) -> list[list[Any]]:
    """Each of them once, so many at a time."""
    every = list(dict.fromkeys(names))
    return [every[at : at + _CHUNK] for at in range(0, len(every), _CHUNK)]


class Unit:
    """One verb's work.

    Attributes:
        now: The store's time.
        lead: By how much that is ahead of this machine's.
        rows: Tasks that were loaded, by id.
        at: Fields of hashes that were loaded, by their names; None: there is no such field.
        version: Of all that it writes.
        tells: Others want to know of it.
    """

    def __init__(self, store: Store, now: datetime, lead: timedelta) -> None:
        self.store = store
        self.now, self.lead = now, lead
        self.rows: dict[str, Row] = {}
        self.at: dict[str, dict[str, bytes | None]] = defaultdict(dict)
        self.tells = False
        self.version = store.version()
        self._versions: dict[str, bytes] = {}
        # Of tasks as they were loaded: by then nobody had changed their rows.
        self._had: dict[str, Had] = {}
        self._arrivals = range(0)
        self._guards: dict[tuple[str, str], bytes | str] = {}
        self._put: dict[str, Row] = {}
        # What is written: states of tasks, members of sorted sets, counts, and the rest.
        self._states: dict[str, str] = {}
        self._removed: dict[str, list[Any]] = defaultdict(list)
        self._added: dict[str, list[Any]] = defaultdict(list)
        self._counted: dict[tuple[str, str], int] = defaultdict(int)
        self._commands: list[Command] = []
        # Something was not read, so it has to be asked for at the commit.
        self._recalls = False
        # There are new tasks.
        self._grows = False

    async def load(
        self,
        task_ids: Iterable[str] = (),
        of: Mapping[str, Iterable[str]] = _NOTHING,
        *,
        fields: Sequence[str] = HEAD,
        new: int = 0,
        beside: Sequence[Command] = (),
    ) -> list[Any]:
        """Read what is not known yet, in one go.

        Args:
            of: Names of fields by name of a hash.
            new: So many tasks may be new and need a number of arrival.
            beside: Other commands that read, whose replies are answered.
        """
        key = self.store.key
        ids = [one for one in dict.fromkeys(task_ids) if one not in self._versions]
        wanted = [
            (table, chunk)
            for table, names in of.items()
            for chunk in in_chunks(name for name in names if name not in self.at[table])
        ]
        commands: list[Command] = [("HMGET", key(f"task:{one}"), *fields) for one in ids]
        commands += [("HMGET", key(table), *chunk) for table, chunk in wanted]
        if new > len(self._arrivals):
            commands.append(("INCRBY", key("arrivals"), new))
        if not commands and not beside:
            return []
        found = await self.store.read(*commands, *beside)
        replies = [found.pop() for _ in beside][::-1]
        if new > len(self._arrivals):
            last = found.pop()
            self._arrivals = range(last - new + 1, last + 1)
        for (table, chunk), values in zip(wanted, found[len(ids) :], strict=True):
            self.at[table].update(zip(chunk, values, strict=True))
            for name, value in zip(chunk, values, strict=True):
                self._guards[key(table), name] = value or b""
        for task_id, values in zip(ids, found, strict=False):
            self.take_in(task_id, fields, values)
        return replies

    def recall(self, task_ids: Iterable[str]) -> None:
        """Take tasks as this process wrote them last; see `keeping`.

        Whoever claimed one may not have been told of it yet, and somebody who had it before asks:
        that changes nothing of the row.
        """
        for task_id in task_ids:
            if (kept := self.store.keeper.take(task_id)) is not None:
                self.rows[task_id] = kept.row
                self._versions[task_id] = kept.version
                self._had[task_id] = kept.had
                self._recalls = True

    def assume_new(self, task_ids: Iterable[str]) -> None:
        """There are neither tasks nor aliases that are called so; asked at the commit likewise."""
        aliases = self.store.key("aliases")
        for task_id in task_ids:
            self._versions[task_id] = b""
            self.at["aliases"][task_id] = None
            self._guards[aliases, task_id] = b""
        self._recalls = True

    def take_in(self, task_id: str, fields: Sequence[str], found: Sequence[Any]) -> Row | None:
        """A task as it was read: if it is any."""
        self._versions[task_id] = found[0] or b""
        if found[0] is None:
            return None
        self.rows[task_id] = one = row(task_id, fields, found)
        lacks = {name for name, value in zip(fields, found, strict=True) if value is None}
        self._had[task_id] = Had(sets_of(one), counts_of(one), _EVERY - lacks)
        return one

    def bound(self, table: str, name: str, most: int) -> None:
        """A count that was loaded may be another meanwhile, up to this."""
        self._guards[self.store.key(table), name] = f"<={most}"

    def sized(self, name: str, size: int) -> None:
        """A sorted set that was read has to have as many members still."""
        self._guards[self.store.key(name), ""] = f"#{size}"

    def disregard(self, rows: Iterable[Row]) -> None:
        """Others may change these, which were read."""
        for one in rows:
            del self._versions[one.task_id], self.rows[one.task_id]

    def do(self, command: str, name: str, *args: Any) -> None:
        """Write at the end: a command on a key, after what the other ways to write do."""
        self._commands.append((command, self.store.key(name), *args))

    def add(self, name: str, score: float, member: str | int) -> None:
        """Put a member into a sorted set, though it is removed as well."""
        self._added[name] += score, member

    def remove(self, name: str, *members: str | int) -> None:
        """Take members out of a sorted set."""
        self._removed[name] += members

    def count(self, table: str, name: str, change: int) -> None:
        """Add to a field of a hash."""
        self._counted[table, name] += change

    def number(self, one: Row) -> None:
        """Give a new task the number of its arrival."""
        one.arrival, self._arrivals = self._arrivals[0], self._arrivals[1:]

    def put(self, one: Row, columns: Collection[str] = APART) -> None:
        """Write a row some of whose columns have changed."""
        task_id = one.task_id
        had = self._had.get(task_id, _NEW)
        self._put[task_id], self._states[task_id] = one, state_of(one)
        fields, empty = fields_of(one, APART if had is _NEW else columns)
        gone = had.columns & empty
        has = Had(sets_of(one), counts_of(one), had.columns - gone | fields.keys())
        if had is _NEW:
            self._versions[task_id], self._grows = b"", True
            fields |= fixed_of(one)
            for (name, member), score in fixed_sets_of(one).items():
                self.add(name, score, member)
        if fields:
            self.do("HSET", f"task:{task_id}", *chain.from_iterable(fields.items()))
        if gone:
            self.do("HDEL", f"task:{task_id}", *gone)
        self._index(had, has)
        self._had[task_id] = has

    def touch(self, task_id: str) -> None:
        """Something beside the task's columns changes that must not change twice."""
        self._states.setdefault(task_id, TOUCHED)

    def delete(self, task_id: str) -> None:
        """Delete a task that was loaded, with what is only its own."""
        for name, member in fixed_sets_of(self.rows[task_id]):
            self.remove(name, member)
        self._index(self._had[task_id], _NEW)
        for kind in ("task", "lines", "attempts", "aliases"):
            self.do("UNLINK", f"{kind}:{task_id}")

    def _index(self, had: Had, has: Had) -> None:
        now = to_micros(self.now)
        for place in had.sets:
            if place not in has.sets:
                self.remove(*place)
        for place, score in has.sets.items():
            # What is due is in its lane, and first in its queue; see `CANDIDATES`.
            if had.sets.get(place) != score and score >= -now:
                is_due = score < 0 or (score <= now and place[0].startswith("due:"))
                self.add(place[0], 0 if is_due else score, place[1])
        for change, counts in ((-1, had.counts - has.counts), (1, has.counts - had.counts)):
            for table, name in counts:
                self.count(table, name, change)

    async def commit(self) -> None:
        """Write it all at once.

        Raises:
            Collided: something is not as it was read.
        """
        commands = list(self._written())
        if not commands and not self._states and not self._recalls:
            return
        args: list[Any] = [self.version, len(self._versions)]
        for task_id, version in self._versions.items():
            args += task_id, version, self._states.get(task_id, "")
        args.append(len(self._guards))
        for (name, field), want in self._guards.items():
            args += name, field, want
        for one in commands:
            args.append(len(one))
            args += one
        if not await self.store.run(ADD if self._grows else COMMIT, *args):
            raise Collided(f"Others have written to {self.store.place} meanwhile.")
        self._keep()

    def _written(self) -> Iterator[Command]:
        """Commands; the server's scripts hand so many words to one."""
        key = self.store.key
        for command, sets in (("ZREM", self._removed), ("ZADD", self._added)):
            for name, words in sets.items():
                for at in range(0, len(words), _CHUNK):
                    yield command, key(name), *words[at : at + _CHUNK]
        for (table, name), change in self._counted.items():
            if change:
                yield "HINCRBY", key(table), name, change
        yield from self._commands
        if self.tells:
            yield "PUBLISH", key("changes"), self.store.name

    def _keep(self) -> None:
        keeper = self.store.keeper
        for task_id in self._versions:
            keeper.take(task_id)
        for task_id, one in self._put.items():
            # Who reads it again reads no payload.
            if len(one.payload or b"") <= _LARGEST_KEPT_BYTES:
                keeper.keep(one, Kept(one, self.version.encode(), self._had[task_id]))


class OnStore(Tried):
    """Verbs that use a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def place(self) -> str:
        return self._store.place

    async def _unit(self) -> Unit:
        """Begin to write."""
        store = self._store
        if store.looks:
            raise StoreUnavailable(f"{store.place} was opened to look at, not to write.")
        await store.set_clock()
        now = store.clock.now()
        return Unit(store, now, store.clock.lead(now))
