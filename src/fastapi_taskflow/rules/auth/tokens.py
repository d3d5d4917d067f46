"""Session tokens: what the browser holds, and what the store holds instead of it.

A token is 256 random bits. The store keeps only its SHA-256, so who reads the store cannot
act as anybody; a plain hash is enough, because nobody can guess the token.
"""

from __future__ import annotations

import re
import secrets
from hashlib import sha256

__all__ = ["new_token", "token_hash"]

_BYTES = 32
_FORM = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def new_token() -> str:
    """A token that nobody has seen; 43 characters that a cookie takes."""
    return secrets.token_urlsafe(_BYTES)


def token_hash(token: str, realm: str) -> str | None:
    """What the store knows the session by; None where this cannot be a token.

    Args:
        realm: Where the token was given out. Elsewhere on the same store it is worth nothing.
    """
    if not _FORM.fullmatch(token):
        return None
    return sha256(f"{token}\n{realm}".encode()).hexdigest()
