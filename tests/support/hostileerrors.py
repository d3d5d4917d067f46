"""Exceptions with which no caller may harm another."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from tests.support.hostile import Everything, Text, leave, refuse

# These look at all classes of exceptions there are when they are imported; ours harm them.
with contextlib.suppress(ImportError):
    import dask.multiprocessing  # noqa: F401
    import distributed  # noqa: F401


def _with(error: BaseException, **attributes: Any) -> BaseException:
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


class Silent(Exception):
    __str__ = __repr__ = refuse


class Quitting(Exception):
    __str__ = __repr__ = leave


class Numb(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]  # noqa: PLE0307


class Odd(Exception):
    def __str__(self) -> str:
        return Text("odd")


class Hollow(Exception):
    args = __cause__ = __context__ = __traceback__ = __notes__ = property(refuse)


class Masked(Exception):
    __class__ = property(refuse)


class _Nameless(type):
    __name__ = __module__ = property(refuse)
    __subclasscheck__ = __instancecheck__ = __hash__ = refuse


class Nameless(Exception, metaclass=_Nameless):
    pass


def _ring() -> BaseException:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    return first


def _chain() -> BaseException:
    error: BaseException = ValueError("z" * 100_000)
    for number in range(500):
        error, error.__cause__ = ValueError(number), error
    return error


def _nest() -> BaseException:
    error: Exception = Silent()
    for _ in range(50):
        error = ExceptionGroup("g", [error])
    return error


ERRORS: list[Callable[[], BaseException]] = [
    Silent,
    Quitting,
    Numb,
    Odd,
    Hollow,
    Masked,
    Nameless,
    _ring,
    _chain,
    _nest,
    lambda: ValueError(Everything()),
    lambda: ValueError("\ud800\0\x1b]0;x\x07"),
    lambda: KeyError(Text("k")),
    lambda: _with(ValueError("n"), __notes__=5),
    lambda: _with(ValueError("n"), __notes__=[Everything(), "\0"] * 200),
    lambda: _with(OSError(5, "x"), strerror=Everything()),
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    StopIteration,
    StopAsyncIteration,
    asyncio.CancelledError,
    MemoryError,
    RecursionError,
]
