"""What a function returned, as it is stored; encoded where it is told, which may be a thread."""

from __future__ import annotations

from fastapi_taskflow.backends.base import Result
from fastapi_taskflow.engine.core.core import Core
from fastapi_taskflow.engine.run.attempt import Attempt
from fastapi_taskflow.rules import results
from fastapi_taskflow.rules.ends import Returned
from fastapi_taskflow.words.errors import TaskArgumentError
from fastapi_taskflow.words.texts import fit

__all__ = ["returned"]

_WHY_LIMIT_BYTES = 1_024
_NOT_KEPT = "Its result_ttl is 0"


def returned(core: Core, attempt: Attempt, told: Returned) -> Returned:
    """The end with a `Result` for its value. That it cannot be stored is no failure."""
    if told.lost is not None:
        return Returned(Result(None, missing=fit(told.lost, _WHY_LIMIT_BYTES)))
    registered, settings = attempt.task.registered, core.settings
    ttl = registered.config.result_ttl
    if ttl == 0:
        return Returned(Result(None, missing=_NOT_KEPT))
    try:
        data = results.encode(
            core.registry.types,
            registered,
            told.value,
            max_bytes=settings.max_payload_bytes,
            sealed=settings.sealed,
        )
    except TaskArgumentError as exc:
        return Returned(Result(None, missing=fit(str(exc), _WHY_LIMIT_BYTES, attempt.mask)))
    return Returned(Result(data, ttl))
