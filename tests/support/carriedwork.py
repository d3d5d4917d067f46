"""Context variables, and functions for child processes that look at them."""

from contextvars import ContextVar
from typing import Any

from opentelemetry import baggage
from opentelemetry.sdk.trace import TracerProvider

from fastapi_taskflow import task_log

__all__ = [
    "CUSTOMER",
    "NOTE",
    "TRACER",
    "OneWay",
    "Request",
    "customer",
    "repeats",
    "says_customer",
    "seen",
    "spoils",
    "traced",
]

CUSTOMER: ContextVar[Any] = ContextVar("value")
# They call themselves alike.
NOTE: ContextVar[Any] = ContextVar("value")

TRACER = TracerProvider().get_tracer(__name__)


class Request:
    """Has variables of its own."""

    tenant: ContextVar[Any] = ContextVar("tenant")


class OneWay:
    """Can be pickled, and not be made again."""

    def __setstate__(self, state: object) -> None:
        raise RuntimeError("not here")

    def __getstate__(self) -> object:
        return "something"


def seen() -> tuple[Any, ...]:
    return tuple(each.get("unset") for each in (CUSTOMER, NOTE, Request.tenant))


def customer() -> Any:
    return CUSTOMER.get("unset")


def spoils() -> None:
    CUSTOMER.set("spoilt")


def traced() -> tuple[int, int, object]:
    """A span made here: its trace and its parent; and the baggage."""
    with TRACER.start_as_current_span("in the child") as span:
        parent = getattr(span, "parent", None)
        mine = span.get_span_context()
        return mine.trace_id, parent.span_id if parent else 0, baggage.get_baggage("customer")


def says_customer() -> None:
    task_log(str(customer()))


def repeats() -> None:
    says_customer()
