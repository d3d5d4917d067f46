"""The errors of the library under their public names; see `fastapi_taskflow.words.errors`."""

from fastapi_taskflow.words import errors
from fastapi_taskflow.words.errors import *  # noqa: F403
from fastapi_taskflow.words.retries import KeyTaken

__all__ = ["KeyTaken"]
__all__ += errors.__all__
