"""Stored arguments under their public name; see `fastapi_taskflow.rules.codec`."""

from fastapi_taskflow.rules.codec import *  # noqa: F403
from fastapi_taskflow.rules.codec import __all__ as __all__  # noqa: PLC0414
