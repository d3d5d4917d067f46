"""Routes about instances: which there are, and which functions they know."""

from __future__ import annotations

from dataclasses import asdict
from typing import Self

from pydantic import Field

from fastapi_taskflow.admin.api.documenting import Add, Routes
from fastapi_taskflow.admin.api.schemas import (
    ExecutorInfo,
    FunctionInfo,
    Model,
    Moment,
    Percentile,
    encodable,
)
from fastapi_taskflow.operations import Function, FunctionEnds, Instance
from fastapi_taskflow.rules.registry import Registered

__all__ = ["FleetApi", "FunctionDetail", "InstanceDetail"]


class InstanceDetail(Model):
    """A process that works on the store. One that died stays until another has recovered it."""

    instance_id: str
    host: str
    pid: int
    started_at: Moment
    roles: list[str]
    version: str | None = Field(description="Of the library; null: it does not say")
    functions: int = Field(description="How many registered functions it has")
    lag: float = Field(description="Seconds by which its event loop answered late")
    running: int = Field(description="Functions that ran in it at its last heartbeat")
    draining: bool = Field(description="It stops, and takes nothing on")
    heartbeats: int = Field(description="Since its start; one that does not grow is in trouble")
    this: bool = Field(description="It is the one that answers")
    executors: list[ExecutorInfo]

    @classmethod
    def of(cls, instance: Instance) -> Self:
        info = instance.peer.info
        return cls(
            instance_id=info.instance_id,
            host=encodable(info.host),
            pid=info.pid,
            started_at=info.started_at.isoformat(),
            roles=sorted(info.roles),
            version=None if info.version is None else encodable(info.version),
            functions=len(info.functions),
            lag=instance.peer.lag,
            running=instance.peer.running,
            draining=instance.peer.draining,
            heartbeats=instance.peer.counter,
            this=instance.this,
            executors=[ExecutorInfo(**one._asdict()) for one in instance.executors],
        )


class FunctionSettings(Model):
    """How a function's tasks run. Spans are in seconds."""

    executor: str
    queue: str | None = Field(description="Null: the default queue")
    priority: int | None
    eager: bool
    persist: bool
    requeue_on_interrupt: bool
    retries: int
    delay: float
    backoff: float
    max_delay: float | None
    jitter: float
    timeout: float | None
    memory_limit: int | None = Field(description="Bytes")
    result_ttl: float | None = Field(description="Null: as long as the record")

    @classmethod
    def of(cls, registered: Registered) -> Self:
        config = registered.config
        shown = {name: getattr(config, name) for name in cls.model_fields}
        return cls(**{**shown, "executor": registered.executor})


class HourInfo(Model):
    """What a function's tasks came to in the last hour."""

    success: int
    failed: int
    other: int = Field(description="Interrupted, cancelled or rejected")
    p50: Percentile
    p95: Percentile
    p99: Percentile

    @classmethod
    def of(cls, ends: FunctionEnds) -> Self:
        return cls(**{name: getattr(ends, name) for name in cls.model_fields})


class FunctionDetail(FunctionInfo):
    """One function: its settings, the totals of its tasks, and who can run them."""

    settings: FunctionSettings | None = Field(
        description="As this process has it; null where it is not registered here"
    )
    last_hour: HourInfo | None = Field(description="Null: nothing ended")
    instances: list[str] = Field(description="Ids of the instances that can run it")
    stranded: bool = Field(description="Tasks of it wait, and no instance can run them")
    unreadable: str | None = Field(
        description="Why the process that answers cannot read stored tasks of it, which wait for "
        "an instance that can"
    )

    @classmethod
    def of(cls, function: Function, lately: FunctionEnds | None) -> Self:
        numbers = {**asdict(function.numbers), "func_name": encodable(function.name)}
        registered = function.registered
        return cls(
            **numbers,
            settings=None if registered is None else FunctionSettings.of(registered),
            last_hour=None if lately is None else HourInfo.of(lately),
            instances=list(function.instances),
            stranded=function.stranded,
            unreadable=None if function.unreadable is None else encodable(function.unreadable),
        )


class FleetApi(Routes):
    """The routes about instances and what they can do."""

    def add_to(self, add: Add) -> None:
        add("GET", "/functions", self.list_functions)
        add("GET", "/instances", self.list_instances)

    async def list_functions(self) -> list[FunctionDetail]:
        """Every function that this process, another instance or the store knows, by name."""
        lately = {one.func_name: one for one in await self._operations.lately()}
        return [
            FunctionDetail.of(one, lately.get(one.name))
            for one in await self._operations.functions()
        ]

    async def list_instances(self) -> list[InstanceDetail]:
        """Every instance on the store, the oldest first."""
        return [InstanceDetail.of(one) for one in await self._operations.instances()]
