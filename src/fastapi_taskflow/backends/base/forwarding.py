"""A backend around another one: every verb is handed on, and a subclass gets in between."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from functools import partial, update_wrapper
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar, cast

from fastapi_taskflow.backends.base.backend import Backend, Grade
from fastapi_taskflow.backends.base.batches import Batches
from fastapi_taskflow.backends.base.findings import Finding
from fastapi_taskflow.backends.base.rotation import Rotation
from fastapi_taskflow.backends.base.schedules import Schedules
from fastapi_taskflow.backends.base.transactions import Transactions
from fastapi_taskflow.backends.logins import Logins

__all__ = ["Call", "ForwardedBatches", "ForwardedSchedules", "Forwarding"]

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

Call: TypeAlias = Callable[[], Coroutine[Any, Any, T]]
"""The verb of the inner backend, with what it was given."""


class _Between(Protocol):
    inner: Any

    def around(
        self, verb: str, asked: tuple[Any, ...], call: Call[T]
    ) -> Coroutine[Any, Any, T]: ...


def _forward(
    verb: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """The same verb of ``inner``, through `Forwarding.around`."""
    name = verb.__name__

    def forwarded(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        between = cast("_Between", self)
        call = partial(getattr(between.inner, name), *args, **kwargs)
        return between.around(name, args, call)

    # Not its dictionary, which says that it is abstract.
    update_wrapper(forwarded, verb, updated=())
    return forwarded


class Forwarding(Backend):
    """Override `around` to get in between all verbs at once, or single verbs.

    Args:
        inner: The backend that does the work; nobody else may use the object.
    """

    def __init__(self, inner: Backend) -> None:
        self.inner = inner

    def around(self, verb: str, asked: tuple[Any, ...], call: Call[T]) -> Coroutine[Any, Any, T]:
        """Run one verb, also of the ports beside; `beat` on its own loop. Not `close` or `examine`.

        Args:
            asked: What it is given by place.
        """
        return call()

    @property
    def grade(self) -> Grade:
        return self.inner.grade

    @property
    def place(self) -> str:
        return self.inner.place

    @property
    def refusal(self) -> str | None:
        return self.inner.refusal

    @property
    def sign_in(self) -> Logins | None:
        inner = self.inner.sign_in
        return None if inner is None else _ForwardedLogins(inner, self.around)

    @property
    def schedules(self) -> Schedules | None:
        inner = self.inner.schedules
        return None if inner is None else ForwardedSchedules(inner, self.around)

    @property
    def batches(self) -> Batches | None:
        inner = self.inner.batches
        return None if inner is None else ForwardedBatches(inner, self.around)

    @property
    def transactions(self) -> Transactions | None:
        return self.inner.transactions

    @property
    def rotation(self) -> Rotation | None:
        inner = self.inner.rotation
        return None if inner is None else _ForwardedRotation(inner, self.around)

    def examine(self) -> Iterator[Finding]:
        return self.inner.examine()

    async def close(self) -> None:
        await self.inner.close()

    open = _forward(Backend.open)
    vitals = _forward(Backend.vitals)
    insert = _forward(Backend.insert)
    claim = _forward(Backend.claim)
    start = _forward(Backend.start)
    finish = _forward(Backend.finish)
    cancel = _forward(Backend.cancel)
    mirror = _forward(Backend.mirror)
    append_logs = _forward(Backend.append_logs)
    get = _forward(Backend.get)
    attempts = _forward(Backend.attempts)
    search = _forward(Backend.search)
    count = _forward(Backend.count)
    tally = _forward(Backend.tally)
    rollups = _forward(Backend.rollups)
    failures = _forward(Backend.failures)
    traffic = _forward(Backend.traffic)
    waiting_since = _forward(Backend.waiting_since)
    next_due = _forward(Backend.next_due)
    enlist = _forward(Backend.enlist)
    beat = _forward(Backend.beat)
    recover = _forward(Backend.recover)
    owned = _forward(Backend.owned)
    retire = _forward(Backend.retire)
    signals = _forward(Backend.signals)
    set_queue = _forward(Backend.set_queue)
    append_audit = _forward(Backend.append_audit)
    audit = _forward(Backend.audit)
    audit_anchor = _forward(Backend.audit_anchor)
    purgeable = _forward(Backend.purgeable)
    purge = _forward(Backend.purge)


class _Beside:
    """A port beside the verbs, through the `Forwarding.around` of its backend."""

    def __init__(self, inner: Any, around: Any) -> None:
        self.inner = inner
        self.around = around


class ForwardedSchedules(_Beside, Schedules):
    """Schedules through `Forwarding.around`."""

    due = _forward(Schedules.due)
    find = _forward(Schedules.find)
    page = _forward(Schedules.page)
    change = _forward(Schedules.change)


class ForwardedBatches(_Beside, Batches):
    """Batches through `Forwarding.around`."""

    add = _forward(Batches.add)
    find = _forward(Batches.find)
    page = _forward(Batches.page)
    held = _forward(Batches.held)
    reseal = _forward(Batches.reseal)


class _ForwardedLogins(_Beside, Logins):
    open_session = _forward(Logins.open_session)
    find_session = _forward(Logins.find_session)
    close_sessions = _forward(Logins.close_sessions)
    take_tokens = _forward(Logins.take_tokens)
    forget_buckets = _forward(Logins.forget_buckets)
    signing_keys = _forward(Logins.signing_keys)


class _ForwardedRotation(_Beside, Rotation):
    contents = _forward(Rotation.contents)
    rewrite = _forward(Rotation.rewrite)
