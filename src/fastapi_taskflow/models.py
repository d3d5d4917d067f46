"""The data of tasks under its public name; see `fastapi_taskflow.words.models`."""

from fastapi_taskflow.words.models import *  # noqa: F403
from fastapi_taskflow.words.models import __all__ as __all__  # noqa: PLC0414
