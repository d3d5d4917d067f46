"""Changing the encryption keys of a whole store."""

from __future__ import annotations

from collections.abc import Callable

from fastapi_taskflow.backends.sealed import Rotated, rotate
from fastapi_taskflow.operations import reading
from fastapi_taskflow.operations.desk import ANONYMOUS, note
from fastapi_taskflow.operations.runtime import Runtime
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Rotated", "rotate_keys"]


async def rotate_keys(
    runtime: Runtime,
    *,
    cursor: str | None = None,
    progress: Callable[[Rotated], None] = lambda _: None,
    seal_clear: Callable[[], bool] = lambda: True,
    actor: str = ANONYMOUS,
) -> Rotated:
    """Seal everything in the store under the newest key; the engine runs.

    May be cut off at any point and begun again; other instances go on meanwhile.

    Args:
        cursor: `Rotated.cursor` of a rotation that was cut off, to pass what it did faster.
        progress: Told after each batch, when it is stored.
        seal_clear: Asked at most once: whether to seal also what was never sealed.

    Raises:
        ConfigurationError: the manager has no ``encrypt_args_key``, or the store's backend
            cannot change keys.
        EngineNotRunning, StoreUnavailable: as every operation.
    """
    if runtime.keyring is None:
        raise ConfigurationError(
            "Keys can be rotated only with a key: give the TaskManager encrypt_args_key=[new, old]."
        )
    engine = runtime.engine()
    await reading.catch_up(engine)
    rotated = await rotate(
        engine.backend, runtime.keyring, cursor=cursor, progress=progress, seal_clear=seal_clear
    )
    detail = {"replaced": rotated.replaced, "unopened": rotated.unopened}
    await note(engine, "rotate_keys", "", actor, detail)
    return rotated
