"""What PostgreSQL and MariaDB say: triggers write down each change, in the same transaction."""

from __future__ import annotations

from typing import Any

from trust.history import Change, Life
from trust.ledgers.reading import Reading, state_of
from trust.ownstores import ask
from trust.stores import kind_of, make

__all__ = ["TablesLedger"]

# Each as it was and as it is; then the due time as it is.
_PAIRS = "status", "fence", "owner", "failures", "interruptions"
_NAMES = ", ".join(f"old_{name}, {name}" for name in _PAIRS)
_COLUMNS = f"task, {_NAMES}, due_at"
_WATCHED = (*_PAIRS, "due_at")

_POSTGRES = (
    """CREATE TABLE trust_changes (
        seq BIGSERIAL PRIMARY KEY, at FLOAT8 DEFAULT extract(epoch FROM clock_timestamp()),
        task TEXT, old_status TEXT, status TEXT, old_fence INT, fence INT, old_owner TEXT,
        owner TEXT, old_failures INT, failures INT, old_interruptions INT, interruptions INT,
        due_at BIGINT)""",
    """CREATE TABLE trust_lives (
        instance TEXT, pid BIGINT, at FLOAT8 DEFAULT extract(epoch FROM clock_timestamp()))""",
    f"""CREATE FUNCTION trust_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP <> 'UPDATE' OR ({", ".join(f"OLD.{name}" for name in _WATCHED)})
            IS DISTINCT FROM ({", ".join(f"NEW.{name}" for name in _WATCHED)}) THEN
            INSERT INTO trust_changes ({_COLUMNS}) VALUES (coalesce(NEW.task_id, OLD.task_id),
                {", ".join(f"OLD.{name}, NEW.{name}" for name in _PAIRS)}, NEW.due_at);
        END IF; RETURN NULL; END $$""",  # noqa: S608  (our own text)
    """CREATE FUNCTION trust_life() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO trust_lives VALUES (NEW.instance_id, NEW.pid); RETURN NULL; END $$""",
    """CREATE TRIGGER trust_change AFTER INSERT OR UPDATE OR DELETE ON taskflow_tasks
        FOR EACH ROW EXECUTE FUNCTION trust_change()""",
    """CREATE TRIGGER trust_life AFTER INSERT ON taskflow_instances
        FOR EACH ROW EXECUTE FUNCTION trust_life()""",
)


_DIFFERS = " AND ".join(f"OLD.{name} <=> NEW.{name}" for name in _WATCHED)


def _noting(event: str) -> str:
    """A trigger of MariaDB that writes a change down."""
    old, new = event != "INSERT", event != "DELETE"
    pairs = [
        f"{f'OLD.{name}' if old else 'NULL'}, {f'NEW.{name}' if new else 'NULL'}" for name in _PAIRS
    ]
    task, due = ("NEW.task_id", "NEW.due_at") if new else ("OLD.task_id", "NULL")
    note = f"INSERT INTO trust_changes ({_COLUMNS}) VALUES ({task}, {', '.join(pairs)}, {due});"  # noqa: S608
    if old and new:
        note = f"IF NOT ({_DIFFERS}) THEN {note} END IF;"
    return (
        f"CREATE TRIGGER trust_{event} AFTER {event} ON taskflow_tasks "
        f"FOR EACH ROW BEGIN {note} END"
    )


_MYSQL = (
    """CREATE TABLE trust_changes (
        seq BIGINT AUTO_INCREMENT PRIMARY KEY, at DOUBLE DEFAULT (unix_timestamp(sysdate(6))),
        task VARCHAR(255), old_status VARCHAR(32), status VARCHAR(32), old_fence INT, fence INT,
        old_owner VARCHAR(255), owner VARCHAR(255), old_failures INT, failures INT,
        old_interruptions INT, interruptions INT, due_at BIGINT) ENGINE=InnoDB""",
    """CREATE TABLE trust_lives (
        instance VARCHAR(255), pid BIGINT, at DOUBLE DEFAULT (unix_timestamp(sysdate(6))))
        ENGINE=InnoDB""",
    *map(_noting, ("INSERT", "UPDATE", "DELETE")),
    """CREATE TRIGGER trust_life AFTER INSERT ON taskflow_instances FOR EACH ROW
        INSERT INTO trust_lives (instance, pid) VALUES (NEW.instance_id, NEW.pid)""",
)


class TablesLedger(Reading):
    """The ledger of a database on a server."""

    async def prepare(self) -> None:
        await make(self.place)
        await ask(self.place, *(_POSTGRES if kind_of(self.place) == "postgresql" else _MYSQL))

    async def changes(self) -> list[Change]:
        columns = f"seq, at, {_COLUMNS}"
        found: list[Any] = await ask(
            self.place,
            f"SELECT {columns} FROM trust_changes ORDER BY seq",  # noqa: S608
        )
        return [
            Change(seq, at, task, _state(before), _state(after), *rest)
            for seq, at, task, before, after, *rest in found
        ]

    async def lives(self) -> list[Life]:
        found: list[Any] = await ask(
            self.place, "SELECT instance, pid, at FROM trust_lives ORDER BY at"
        )
        return [Life(*row) for row in found]


def _state(name: str | None) -> int | None:
    return None if name is None else state_of(name)
