"""What can be told of a server that has a store, beside its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi_taskflow.backends.base import Finding, Grade, Level
from fastapi_taskflow.backends.rediskeys.store import VERSION, Store, grade_of, refusal_of
from fastapi_taskflow.backends.serverclock import agreement
from fastapi_taskflow.words.clock import SYSTEM_CLOCK

__all__ = ["findings", "replication"]

_MICROS_PER_SECOND = 1_000_000
# Of what the primary has written and a replica has not got.
_FAR_BYTES = 16 * 2**20
_DISK = "rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"
# Of the memory that it may take, from which on it is told.
_FULL_PERCENT = 80

_GRADES = {
    Grade.A: "appendonly yes, appendfsync always",
    Grade.B: "appendonly yes, appendfsync everysec or no: a loss of power loses the last second",
    Grade.C: "appendonly no: a crash of the server loses what came after its last snapshot",
}
_DURABLE = "CONFIG SET appendonly yes (and in redis.conf); appendfsync always survives power loss."


async def findings(store: Store) -> list[Finding]:
    """Look at the server's settings and state.

    Raises:
        StoreUnavailable: there is no store, or nobody answers.
    """
    told = await store.open()
    try:
        before = SYSTEM_CLOCK.micros()
        ((seconds, micros),) = await store.read(("TIME",))
        after = SYSTEM_CLOCK.micros()
    finally:
        await store.close()
    refusal = refusal_of(told, store.place)
    grade = grade_of(told)
    found = [
        Finding("schema", Level.OK, f"version {VERSION}"),
        Finding(
            "durability",
            Level.WARNING if grade is Grade.C else Level.OK,
            f"grade {grade.name}, {grade.value}; {_GRADES[grade]}",
            None if grade is Grade.A else _DURABLE,
        ),
        Finding("eviction", Level.OK, "maxmemory-policy noeviction")
        if refusal is None
        else Finding("eviction", Level.PROBLEM, refusal, "maxmemory-policy noeviction"),
        _memory(int(told.get("used_memory", 0)), int(told.get("maxmemory", 0))),
    ]
    server = int(seconds) * _MICROS_PER_SECOND + int(micros)
    found += [*_writes(told), *replication(told), agreement(server, before, after)]
    return found


def _writes(told: dict[str, Any]) -> Iterator[Finding]:
    """What failed on the disk, or was deleted for want of memory."""
    failed = [name for name in _DISK if told.get(name, "ok") != "ok"]
    if failed:
        mend = "See the server's log: a full disk, or its rights. Until then writes may be refused."
        yield Finding("persistence", Level.PROBLEM, f"failed: {', '.join(failed)}", mend)
    if told.get("evicted_keys"):
        detail = f"{told['evicted_keys']} keys were deleted for want of memory since its start"
        mend = "Tasks may be among them. Set maxmemory-policy noeviction, and more memory."
        yield Finding("eviction", Level.WARNING, detail, mend)


def replication(told: dict[str, Any]) -> Iterator[Finding]:
    """What ``INFO`` says of those who follow; nothing where nobody does."""
    number = int(told.get("connected_slaves", 0))
    if not number:
        return
    # One whose connection is just gone is counted, and not told of.
    replicas = [told[name] for name in map("slave{}".format, range(number)) if name in told]
    written = int(told.get("master_repl_offset", 0))
    behind = max([written - int(one.get("offset", written)) for one in replicas], default=0)
    online = sum(one.get("state") == "online" for one in replicas)
    detail = f"{online} of {number} follow, at most {behind / 2**20:.1f} MiB behind"
    if online == number and behind < _FAR_BYTES:
        yield Finding("replicas", Level.OK, detail)
    else:
        mend = "A failover now would lose what they have not got: see INFO replication."
        yield Finding("replicas", Level.WARNING, detail, mend)


def _memory(used: int, most: int) -> Finding:
    said = f"{used / 2**20:.0f} MiB in use"
    if not most:
        return Finding("memory", Level.OK, f"{said}, no limit is set")
    percent = 100 * used // most
    said += f" of {most / 2**20:.0f} ({percent} %)"
    if percent < _FULL_PERCENT:
        return Finding("memory", Level.OK, said)
    mend = "Raise maxmemory, or keep records for a shorter time (retention_days)."
    return Finding("memory", Level.WARNING, said, mend)
