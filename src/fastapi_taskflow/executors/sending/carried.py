"""What goes along with a call from who added the task: context variables, and the trace.

Each variable on its own: one that cannot be sent, or is not known in the child, stays behind and
harms nothing.
"""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Iterator
from contextvars import Context
from typing import Any

from fastapi_taskflow.rules.variables import Place, Places, variable_at
from fastapi_taskflow.words.plain import name_of

__all__ = ["Carried", "context_of", "pack_context", "sent_values"]

logger = logging.getLogger(__name__)

# A variable is a note beside the arguments, and is sent with every call.
_MOST_BYTES = 1_048_576
_TRACING = "opentelemetry.context"

_places = Places()
# Variables of which was said that they stay behind; at most as many as are known.
_told: set[tuple[Place, ...]] = set()


Carried = tuple[list[tuple[tuple[Place, ...], bytes]], dict[str, str]]
"""A context, so that it can be sent: pickled values with the places of their variables, and the
trace as headers. Of plain values, which take the least to send."""


def pack_context(context: Context) -> Carried | None:
    """What of a context can be sent; None: nothing."""
    values = list(_values(context)) if context else []
    trace = _trace(context)
    return (values, trace) if values or trace else None


def sent_values(context: Context) -> list[Any] | None:
    """Values of the variables that `pack_context` sends; None: it has to look for some of them."""
    return _places.known(context)


def _values(context: Context) -> Iterator[tuple[tuple[Place, ...], bytes]]:
    for places, value in _places.of(context):
        try:
            sent = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        # Classes of the user's own say how they are pickled, and may raise anything.
        except BaseException as exc:
            _stays(places, f"{name_of(type(value))} cannot be pickled: {name_of(type(exc))}")
            continue
        if len(sent) <= _MOST_BYTES:
            yield places, sent
        else:
            _stays(places, f"{len(sent)} bytes are too many")


def _stays(places: tuple[Place, ...], why: str) -> None:
    if places not in _told:
        _told.add(places)
        name = ".".join(places[0])
        logger.debug("Context variable %s does not reach child processes: %s", name, why)


def _trace(context: Context) -> dict[str, str]:
    # Who has not imported it has no trace.
    tracing: Any = sys.modules.get(_TRACING)
    carrier: dict[str, str] = {}
    if tracing is None:
        return carrier
    # A propagator may be the app's own.
    try:
        current = context.run(tracing.get_current)
        if current:
            for propagator in _propagators():
                propagator.inject(carrier, current)
    except Exception as exc:
        _stays(((_TRACING, "get_current"),), name_of(type(exc)))
    return carrier


def _propagators() -> tuple[Any, ...]:
    """Those of W3C, whatever the app says to other services."""
    from opentelemetry.baggage.propagation import W3CBaggagePropagator  # noqa: PLC0415  (optional)
    from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

    return tracecontext.TraceContextTextMapPropagator(), W3CBaggagePropagator()


def context_of(carried: Carried | None) -> Context:
    """A context with what was sent."""
    context = Context()
    if carried is not None:
        context.run(_set, carried)
    return context


def _set(carried: Carried) -> None:
    values, trace = carried
    for places, sent in values:
        variable = variable_at(places)
        if variable is None:
            _stays(places, "it is not there")
            continue
        try:
            variable.set(pickle.loads(sent))  # noqa: S301  (from whoever has it run)
        # As in `_values`; what ends the run passes.
        except Exception as exc:
            _stays(places, f"it cannot be made there: {name_of(type(exc))}")
    if trace:
        _continue(trace)


def _continue(trace: dict[str, str]) -> None:
    try:
        from opentelemetry.context import Context as Trace  # noqa: PLC0415  (optional)
        from opentelemetry.context import attach  # noqa: PLC0415

        current = Trace()
        for propagator in _propagators():
            current = propagator.extract(trace, current)
        attach(current)
    # As in `_trace`; a task runs without its trace as well.
    except Exception as exc:
        _stays(((_TRACING, "attach"),), name_of(type(exc)))
