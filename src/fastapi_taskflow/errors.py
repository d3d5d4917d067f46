"""Another name of `fastapi_taskflow.exceptions`."""

from fastapi_taskflow.words.errors import *  # noqa: F403
from fastapi_taskflow.words.errors import __all__ as __all__  # noqa: PLC0414
