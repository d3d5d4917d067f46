"""Names and marks of secrets under their public name; see `fastapi_taskflow.rules.redaction`."""

from fastapi_taskflow.rules.redaction import DEFAULT_NAMES, Sensitive

__all__ = ["DEFAULT_NAMES", "Sensitive"]
