"""Logging where something must go on whatever the app's own handlers do."""

from __future__ import annotations

import logging
from collections.abc import Mapping

__all__ = ["notify"]


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
