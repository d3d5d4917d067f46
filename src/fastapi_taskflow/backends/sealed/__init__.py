"""Encryption between the engine and any driver: neither knows of it."""

from fastapi_taskflow.backends.sealed.backend import SealedBackend

__all__ = ["SealedBackend"]
