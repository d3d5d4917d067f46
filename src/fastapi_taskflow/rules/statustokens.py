"""Tokens by which somebody without an account may follow a task or batch: a signed id and date."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["LONGEST_SECONDS", "Subject", "is_valid", "token"]

LONGEST_SECONDS = 30 * 86_400.0
"""No token is valid for longer, so that keys can be forgotten."""

_MOST_CHARACTERS = 200


class Subject(NamedTuple):
    """What a token lets one follow. Those of a task are none of a batch with its id."""

    id: str
    is_batch: bool = False


def token(key: bytes, subject: Subject, expires_at: int) -> str:
    """A token for one task or batch, until a second since the epoch."""
    return f"{expires_at:x}.{_signature(key, subject, expires_at)}"


def is_valid(keys: Iterable[bytes], subject: Subject, given: str, now: float) -> bool:
    """The token was made by one of these keys for this subject, and its time is not over."""
    date, _, signature = given[:_MOST_CHARACTERS].partition(".")
    try:
        expires_at = int(date, 16)
        sent = signature.encode("ascii")
    except ValueError:
        return False
    if date != f"{expires_at:x}":
        # A number has many spellings; a token has one, so that it can be refused by its text.
        return False
    # All of them, so that nobody learns by which it was.
    found = [
        hmac.compare_digest(_signature(key, subject, expires_at).encode(), sent) for key in keys
    ]
    return any(found) and now < expires_at


def _signature(key: bytes, subject: Subject, expires_at: int) -> str:
    kind = "batch" if subject.is_batch else "status"
    text = f"{kind}\n{subject.id}\n{expires_at:x}".encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(hmac.digest(key, text, "sha256")).decode().rstrip("=")
