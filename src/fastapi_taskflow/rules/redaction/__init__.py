"""Which values are secret, and text without them.

A value is secret by its name (a parameter, a key, a field), by its type (pydantic's
``SecretStr`` and ``SecretBytes``) or by a mark (``Annotated[str, Sensitive]``). The task
gets it whole. Everything made for people to read, which is errors, tracebacks, log lines,
tags and shown arguments, gets `MASK` in its place.
"""

from fastapi_taskflow.rules.redaction.judging import Sensitive
from fastapi_taskflow.rules.redaction.masks import MASK, NO_MASK, WITHHELD, Mask
from fastapi_taskflow.rules.redaction.names import DEFAULT_NAMES
from fastapi_taskflow.rules.redaction.redactor import Redactor

__all__ = [
    "DEFAULT_NAMES",
    "MASK",
    "NO_MASK",
    "WITHHELD",
    "Mask",
    "Redactor",
    "Sensitive",
]
