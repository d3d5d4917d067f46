"""Logging where something must go on whatever the app's own handlers do."""

from __future__ import annotations

import logging
from collections.abc import Mapping

__all__ = ["be_heard", "notify"]

_PACKAGE = "fastapi_taskflow"


def be_heard() -> None:
    """Enable the library's loggers again, if the app's logging configuration disabled them.

    `dictConfig` and `fileConfig` disable every logger that exists unless they are told not
    to, and so does a migration with Alembic at the start of an app: failed tasks would be
    told to nobody. Levels, filters and handlers stay as they are.
    """
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and (
            name == _PACKAGE or name.startswith(f"{_PACKAGE}.")
        ):
            logger.disabled = False


def notify(
    logger: logging.Logger,
    level: int,
    message: str,
    *values: object,
    error: BaseException | None = None,
    extra: Mapping[str, object] | None = None,
) -> bool:
    """As `logging.Logger.log`, but a handler or filter that raises stops nothing.

    Returns:
        False if one of them did.
    """
    try:
        logger.log(level, message, *values, exc_info=error, extra=extra)
    except Exception:  # nobody can be told of it: telling is what failed
        return False
    return True
