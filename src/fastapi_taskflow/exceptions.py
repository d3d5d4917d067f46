"""The errors of the library under their public name; see `fastapi_taskflow.words.errors`."""

from fastapi_taskflow.words.errors import *  # noqa: F403
from fastapi_taskflow.words.errors import __all__ as __all__  # noqa: PLC0414
