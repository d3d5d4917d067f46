"""Password hashes: made and checked with Argon2id, one check for every try.

Making or checking one takes a tenth of a second and 32 MiB, on purpose: callers do it in a
thread. Hashes made elsewhere with other costs are good as well.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from base64 import b64encode
from unicodedata import normalize

from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["PASSWORD_LIMIT", "Passwords", "is_hash"]

PASSWORD_LIMIT = 1_024
"""Characters; more than anybody types, and nothing that costs much to read."""

# Above the least that OWASP's cheat sheet on password storage asks for (19 MiB, 2 passes);
# four at once have to fit into a small container beside the app.
_MEMORY_KIB, _PASSES, _LANES = 32_768, 3, 1

# Threads that make or check hashes at a time, over all managers of the process: half of the
# cores stay with the event loops, and the memory is that of so many.
_AT_ONCE = max(1, min(4, (os.cpu_count() or 1) // 2))
_turn = threading.BoundedSemaphore(_AT_ONCE)

_PREFIX = "$argon2"
_FORM = re.compile(
    r"\$argon2(?:id|i|d)\$v=[0-9]+\$m=[0-9]+,t=[0-9]+,p=[0-9]+"
    r"\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{43,}",
    re.ASCII,
)


def is_hash(text: str) -> bool:
    """It is a hash, and not a password.

    Raises:
        ConfigurationError: it begins as a hash and is none, so part of it was lost.
    """
    if not text.startswith(_PREFIX):
        return False
    if not _FORM.fullmatch(text):
        raise ConfigurationError(
            "A password in auth begins as an Argon2 hash and is not a whole one. In a shell or a "
            ".env file, write it in single quotes: $ starts a variable elsewhere."
        )
    return True


class Passwords:
    """Makes hashes and checks passwords against them.

    Raises:
        ImportError: the extra ``auth`` is not installed.
    """

    def __init__(self) -> None:
        # The only place that needs the extra.
        try:
            from pwdlib import PasswordHash  # noqa: PLC0415
            from pwdlib.exceptions import HasherNotAvailable  # noqa: PLC0415
        except ImportError as exc:
            raise ImportError(_EXTRA) from exc
        try:
            from pwdlib.hashers.argon2 import Argon2Hasher  # noqa: PLC0415
        except HasherNotAvailable as exc:
            raise ImportError(_EXTRA) from exc
        self._hashing = PasswordHash((Argon2Hasher(_PASSES, _MEMORY_KIB, _LANES),))

    def hash(self, password: str) -> str:
        """A hash of its own for each call, in the usual form of Argon2 (97 characters or so).

        Raises:
            ConfigurationError: the password is empty, or longer than `PASSWORD_LIMIT`.
        """
        self.check(password)
        with _turn:
            return self._hashing.hash(_encoded(password))

    def verify(self, password: str, hashed: str) -> bool:
        """Whether this is the password; the comparison takes the same time for each answer."""
        with _turn:
            return self._hashing.verify(_encoded(password), hashed)

    @staticmethod
    def check(password: str) -> None:
        """It can be hashed.

        Raises:
            ConfigurationError: it is empty, or longer than `PASSWORD_LIMIT`.
        """
        if not 1 <= len(password) <= PASSWORD_LIMIT:
            raise ConfigurationError(
                f"A password has 1 to {PASSWORD_LIMIT} characters; this one has {len(password)}."
            )

    @staticmethod
    def costs(hashed: str) -> tuple[str, int, int]:
        """What it takes to check a password against a hash; equal for equal costs."""
        head, salt, digest = hashed.rsplit("$", 2)
        return head, len(salt), len(digest)

    def decoy(self, hashed: str) -> str:
        """A hash with the same costs that no password has: checking it takes as long."""
        head, _, digest = hashed.rpartition("$")
        fresh = b64encode(secrets.token_bytes(len(digest))).decode()[: len(digest)]
        # A last character may hold bits beyond the last byte, which have to be zero.
        return f"{head}${fresh[:-1]}A"


_EXTRA = "User names and passwords need the extra 'auth': pip install 'fastapi-taskflow[auth]'"


def _encoded(password: str) -> bytes:
    # Keyboards differ in how they compose a letter with its accent.
    return normalize("NFC", password).encode("utf-8", "surrogatepass")
