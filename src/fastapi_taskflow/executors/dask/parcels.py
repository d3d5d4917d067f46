"""Calls on their way: arguments that lie on the cluster stay there, and are only named.

A Dask future among the arguments, at any depth, becomes a dependency of the Dask task; the function
gets its value, where it runs. The rest is a pickle, as Dask's own arguments are.
"""

from __future__ import annotations

import pickle
from io import BytesIO
from typing import Any, NamedTuple

import cloudpickle
from distributed import Client, Future

from fastapi_taskflow.executors.base import Call
from fastapi_taskflow.executors.sending import calls
from fastapi_taskflow.words.errors import TaskArgumentError

__all__ = ["Parcel", "packed", "unpacked"]


class Parcel(NamedTuple):
    """A call that can be sent: without its arguments, these, and the futures among them."""

    call: bytes
    arguments: bytes
    futures: list[Future[Any]]


def packed(call: Call, client: Client) -> Parcel:
    """Get a call ready for the cluster.

    Raises:
        TaskArgumentError: arguments that cannot be sent.
        ConfigurationError: the function's name does not lead to it.
    """
    head = calls.pack_call(call._replace(args=(), kwargs={}))
    given = call.args, dict(call.kwargs)
    out, futures = BytesIO(), _Futures(client)
    try:
        _Packer(out, futures).dump(given)
    # Classes of the user's own say how they are pickled, and may raise anything.
    except Exception as exc:
        raise TaskArgumentError(
            f"{call.func_name}: an argument cannot be sent to a Dask worker: {exc}. Give it plain "
            "values, or what it needs to find the object there."
        ) from exc
    return Parcel(head, out.getvalue(), futures.all)


def unpacked(call: bytes, arguments: bytes, values: tuple[Any, ...]) -> Call:
    """The call of a `Parcel`, with the values of its futures; imports its function."""
    found = calls.unpack_call(call)
    args, kwargs = _Unpacker(BytesIO(arguments), values).load()
    return found._replace(args=args, kwargs=kwargs)


class _Futures:
    """Those that were met, in their order."""

    def __init__(self, client: Client) -> None:
        self.all: list[Future[Any]] = []
        self._numbers: dict[Any, int] = {}
        self._client = client

    def number_of(self, future: Future[Any]) -> int:
        number = self._numbers.setdefault(future.key, len(self.all))
        if number == len(self.all):
            # Of another client of the same cluster: ours has to want it as well.
            own = future if future.client is self._client else Future(future.key, self._client)
            self.all.append(own)
        return number


class _Packer(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, out: BytesIO, futures: _Futures) -> None:
        super().__init__(out, pickle.HIGHEST_PROTOCOL)
        self._futures = futures

    def persistent_id(self, value: Any) -> int | None:
        return self._futures.number_of(value) if isinstance(value, Future) else None


class _Unpacker(pickle.Unpickler):
    def __init__(self, sent: BytesIO, values: tuple[Any, ...]) -> None:
        super().__init__(sent)
        self._values = values

    def persistent_load(self, number: int) -> Any:
        return self._values[number]
