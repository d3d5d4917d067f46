"""What one verb reads and writes: all that it read has to be as it was when it writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi_taskflow.backends.rediskeys.kept import Kept
from fastapi_taskflow.backends.rediskeys.rows import (
    APART,
    HEAD,
    Sets,
    counts_of,
    fields_of,
    fixed_sets_of,
    row,
    sets_of,
)
from fastapi_taskflow.backends.rediskeys.scripts import COMMIT
from fastapi_taskflow.backends.rediskeys.store import Command, Store
from fastapi_taskflow.backends.rules.rows import Row
from fastapi_taskflow.backends.tries import Collided, Tried
from fastapi_taskflow.words.clock import to_micros
from fastapi_taskflow.words.errors import StoreUnavailable

__all__ = ["OnStore", "Unit", "in_chunks"]

# So many fields the server's scripts hand to one command.
_CHUNK = 1000
_NOTHING: Mapping[str, Iterable[str]] = {}


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
        self._sets: dict[str, Sets] = {}
        self._counts: dict[str, set[tuple[str, str]]] = {}
        self._arrivals = range(0)
        self._guards: dict[tuple[str, str], bytes | str] = {}
        self._commands: list[Command] = []
        self._put: dict[str, Row] = {}
        # Something was not read, so it has to be asked for at the commit.
        self._recalls = False

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
        """Take tasks as this process wrote them last, without large columns; see `kept`."""
        for task_id in task_ids:
            if (kept := self.store.keeper.take(task_id)) is not None:
                row = self.rows[task_id] = kept.row
                row.payload = row.emitted = row.result = None
                self._versions[task_id] = kept.version
                self._sets[task_id], self._counts[task_id] = kept.sets, kept.counts
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
        self._sets[task_id], self._counts[task_id] = sets_of(one), counts_of(one)
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
        """Write at the end: a command on a key."""
        self._commands.append((command, self.store.key(name), *args))

    def number(self, one: Row) -> None:
        """Give a new task the number of its arrival."""
        one.arrival, self._arrivals = self._arrivals[0], self._arrivals[1:]

    def put(self, one: Row, columns: Collection[str] = APART) -> None:
        """Write a row some of whose columns have changed."""
        task_id = one.task_id
        known = self._versions.get(task_id)
        if not known:
            self._versions[task_id] = b""
        fields, gone = fields_of(one, self.version, columns if known else APART, new=not known)
        self.do("HSET", f"task:{task_id}", *fields)
        if gone and known:
            self.do("HDEL", f"task:{task_id}", *gone)
        if not known:
            for (name, member), score in fixed_sets_of(one).items():
                self.do("ZADD", name, score, member)
        self._index(task_id, sets_of(one), counts_of(one))
        self._put[task_id] = one

    def touch(self, task_id: str) -> None:
        """Something beside the task's columns changes that must not change twice."""
        self.do("HSET", f"task:{task_id}", "v", self.version)

    def delete(self, task_id: str) -> None:
        """Delete a task that was loaded, with what is only its own."""
        for name, member in fixed_sets_of(self.rows[task_id]):
            self.do("ZREM", name, member)
        self._index(task_id, {}, set())
        for kind in ("task", "lines", "attempts", "aliases"):
            self.do("UNLINK", f"{kind}:{task_id}")

    def _index(self, task_id: str, sets: Sets, counts: set[tuple[str, str]]) -> None:
        before, counted = self._sets.get(task_id, {}), self._counts.get(task_id, set())
        now = to_micros(self.now)
        for name, member in before.keys() - sets.keys():
            self.do("ZREM", name, member)
        for (name, member), score in sets.items() - before.items():
            # What is due is in its lane, and first in its queue; see `CANDIDATES`.
            if score >= -now:
                is_due = score < 0 or (score <= now and name.startswith("due:"))
                self.do("ZADD", name, 0 if is_due else score, member)
        for change, fields in ((-1, counted - counts), (1, counts - counted)):
            for table, name in fields:
                self.do("HINCRBY", table, name, change)
        self._sets[task_id], self._counts[task_id] = sets, counts

    async def commit(self) -> None:
        """Write it all at once.

        Raises:
            Collided: something is not as it was read.
        """
        if not self._commands and not self._recalls:
            return
        commands = _merged(self._commands)
        if self.tells:
            commands.append(("PUBLISH", self.store.key("changes"), self.store.name))
        args: list[Any] = [len(self._versions) + len(self._guards)]
        for task_id, version in self._versions.items():
            args += self.store.key(f"task:{task_id}"), "v", version
        for (name, field), want in self._guards.items():
            args += name, field, want
        for one in commands:
            args.append(len(one))
            args += one
        if not await self.store.run(COMMIT, *args):
            raise Collided(f"Others have written to {self.store.place} meanwhile.")
        self._keep()

    def _keep(self) -> None:
        keeper = self.store.keeper
        for task_id in self._versions:
            keeper.take(task_id)
        for task_id, one in self._put.items():
            if one.owner is not None:
                of = self._sets[task_id], self._counts[task_id]
                keeper.keep(Kept(one, self.version.encode(), *of))


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


def _merged(commands: Iterable[Command]) -> list[Command]:
    """The same with fewer commands, where one does for many members or fields."""
    found: list[Command] = []
    alike: dict[tuple[str, str], list[Any]] = defaultdict(list)
    added: dict[tuple[str, str], int] = defaultdict(int)
    for one in commands:
        if one[0] in ("ZADD", "ZREM"):
            alike[one[:2]] += one[2:]
        elif one[0] == "HINCRBY":
            added[one[1], one[2]] += one[3]
        else:
            found.append(one)
    for head, args in alike.items():
        found += [(*head, *args[at : at + _CHUNK]) for at in range(0, len(args), _CHUNK)]
    return found + [("HINCRBY", *of, change) for of, change in added.items() if change]
