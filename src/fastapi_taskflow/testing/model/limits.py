"""Limits over all instances, reckoned in another way: by what is left of time, token by token."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi_taskflow.backends.base import ClaimRequest
from fastapi_taskflow.testing.model.tasks import ModelTask
from fastapi_taskflow.words.rates import Limit, Rate

__all__ = ["ModelLimits", "ModelRoom"]

# Kind and name.
_Of = tuple[str, str]


class ModelLimits:
    """What is left of rates, whose terms never change."""

    def __init__(self) -> None:
        # Since when how many microseconds' worth of tokens were left.
        self._levels: dict[_Of, tuple[int, int]] = {}

    def room(self, request: ClaimRequest, tasks: Iterable[ModelTask], now: int) -> ModelRoom:
        """What one request may take."""
        limits: dict[_Of, Limit] = {}
        if request.limits is not None:
            limits = {("queue", name): one for name, one in request.limits.queues.items()}
            limits |= {("function", name): one for name, one in request.limits.functions.items()}
            limits |= {("key", name): Limit(rate=one) for name, one in request.limits.keys.items()}
        leased = [one for one in tasks if one.owner is not None and one.new.persist]
        return ModelRoom(self, limits, leased, now)

    def left(self, of: _Of, rate: Rate, now: int) -> int:
        """Tokens in microseconds."""
        full = rate.number * rate.refill_micros
        since, left = self._levels.get(of, (now, full))
        return min(full, left + now - since)

    def take(self, of: _Of, rate: Rate, now: int) -> None:
        """One token is gone."""
        self._levels[of] = now, self.left(of, rate, now) - rate.refill_micros


class ModelRoom:
    """What one request may take yet."""

    def __init__(
        self, levels: ModelLimits, limits: dict[_Of, Limit], leased: list[ModelTask], now: int
    ) -> None:
        self._levels = levels
        self._limits = limits
        self._leased = leased
        self._now = now

    def _of(self, task: ModelTask) -> list[_Of]:
        every = [("queue", task.new.queue), ("function", task.new.func_name)]
        return [one for one in every if one in self._limits]

    def wait(self, task: ModelTask) -> int:
        """Microseconds until the task's key has a token."""
        limit = self._limits.get(("key", task.new.func_name))
        if limit is None or limit.rate is None or task.new.order_key is None:
            return 0
        left = self._levels.left(_key_of(task), limit.rate, self._now)
        return max(0, limit.rate.refill_micros - left)

    def fits(self, task: ModelTask) -> bool:
        """No limit is in the way of this task."""
        for of in self._of(task):
            most, rate = self._limits[of]
            if most is not None and sum(of in self._of(one) for one in self._leased) >= most:
                return False
            if rate is not None and self._levels.left(of, rate, self._now) < rate.refill_micros:
                return False
        return True

    def take(self, task: ModelTask) -> None:
        """The task is taken."""
        self._leased.append(task)
        for of in self._of(task):
            if (rate := self._limits[of].rate) is not None:
                self._levels.take(of, rate, self._now)
        limit = self._limits.get(("key", task.new.func_name))
        if limit is not None and limit.rate is not None and task.new.order_key is not None:
            self._levels.take(_key_of(task), limit.rate, self._now)


def _key_of(task: ModelTask) -> _Of:
    return f"key of {task.new.func_name}", str(task.new.order_key)
