"""Encryption between the engine and any driver: neither knows of it."""

from fastapi_taskflow.backends.sealed.backend import SealedBackend
from fastapi_taskflow.backends.sealed.rotation import Rotated, rotate

__all__ = ["Rotated", "SealedBackend", "rotate"]
