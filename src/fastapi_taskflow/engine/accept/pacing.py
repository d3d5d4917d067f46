"""Debounced and throttled tasks: what makes calls equal, and the key by which a store sees that."""

from __future__ import annotations

from fastapi_taskflow.engine.accept.options import Options
from fastapi_taskflow.engine.core.live import LiveTask
from fastapi_taskflow.rules import codec
from fastapi_taskflow.rules.orderkeys import own_key
from fastapi_taskflow.words.pacing import THROTTLE

__all__ = ["pace"]


def pace(task: LiveTask, options: Options) -> None:
    """Give a task that is about to be stored what its ``debounce`` or ``throttle`` needs.

    Calls are equal if they are of one function and key; without a key, if their arguments are.
    """
    record, span = task.record, options.debounce or options.throttle
    if not span:
        return
    if record.order_key is None:
        equal = codec.fingerprint(record.func_name, task.payload or b"")
        value = f"~{equal.hex()[:32]}"
    else:
        # A scope has no colon.
        value = record.order_key.partition(":")[2]
    key = own_key(record.func_name, value)
    if options.throttle:
        record.idempotency_key, task.pace = THROTTLE + key, (0.0, options.throttle)
        return
    record.order_key, task.pace = record.order_key or key, (options.debounce, None)
    # Until the store says when: no instance begins with it.
    task.delay = options.debounce
