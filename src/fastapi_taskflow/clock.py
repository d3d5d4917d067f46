"""Clocks under their public name, for authors of backends; see `fastapi_taskflow.words.clock`."""

from fastapi_taskflow.words.clock import *  # noqa: F403
from fastapi_taskflow.words.clock import __all__ as __all__  # noqa: PLC0414
