"""Sealing what is stored: AES-256-GCM under keys that can be changed.

A sealed value names its key, and opens only as the field of the task that it was sealed
for: both are bound into it, so no ciphertext can be moved. Each task has an encryption key
of its own, derived from the secret and its id; so no count of tasks brings two messages
near the same nonce, as one key for all would after some billions.

A form is recognised by its first bytes, so stores that were not encrypted, or that hold
Fernet tokens, can still be read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from fastapi_taskflow.words.errors import ConfigurationError, SealUnopened

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = ["Keyring", "Secret", "has_sealed_form", "is_closed", "is_sealed_text"]

Secret = str | bytes
"""A Fernet key, or any other secret of at least 16 bytes."""

_MAGIC = b"tfe1"
_TEXT_MAGIC = "tfe1:"
# The magic bytes in base64, and at least as much as head and tag are.
_SEALED_TEXT = re.compile(r"tfe1:dGZlM[Q-Za-f][A-Za-z0-9_-]{48,}={0,2}")
# Version byte 0x80 and the high bytes of the time, in base64: every token until 2106.
_FERNET_MAGIC = b"gAAAA"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEAD_BYTES = len(_MAGIC) + _KEY_ID_BYTES + _NONCE_BYTES

_LEAST_SECRET_BYTES = 16
_FERNET_KEY_BYTES = 32
# RFC 7914's form; 32 MiB and about 0.1 s, once per secret at construction. The salt only
# sets this use apart: every process must come to the same key without asking anybody.
_SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024, "dklen": 32}
_SALT = b"fastapi-taskflow sealed storage 1"


class _Key:
    """One secret and what is derived from it. Its parts never appear in a repr."""

    __slots__ = ("_sealing", "fernet_key", "fingerprints", "key_id")

    def __init__(self, secret: Secret) -> None:
        master = _master(secret)
        self.fernet_key = base64.urlsafe_b64encode(master)
        self.key_id = hmac.digest(master, b"key id", "sha256")[:_KEY_ID_BYTES]
        self.fingerprints = hmac.digest(master, b"fingerprints", "sha256")
        self._sealing = hmac.digest(master, b"sealing", "sha256")

    def of_task(self, task_id: str) -> bytes:
        return hmac.digest(self._sealing, task_id.encode(), "sha256")


def _several(secrets: object) -> list[Secret]:
    # Not `limits.several`, which would quote what may be a secret.
    if isinstance(secrets, Mapping) or not isinstance(secrets, Iterable):
        raise ConfigurationError(
            "encrypt_args_key takes text, bytes or a list of them, got an object of "
            f"{type(secrets).__name__}."
        )
    return list(secrets)


class Keyring:
    """The keys of one manager: the first seals, all of them open.

    Args:
        secrets: One, or several with the newest first.

    Raises:
        ConfigurationError: there is none, or one that is too short.
        ImportError: the extra ``encryption`` is not installed.
    """

    def __init__(self, secrets: Secret | Sequence[Secret]) -> None:
        # The only place that needs the extra.
        try:
            from cryptography.exceptions import InvalidTag  # noqa: PLC0415
            from cryptography.fernet import Fernet, InvalidToken, MultiFernet  # noqa: PLC0415
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        except ImportError as exc:
            raise ImportError(
                "encrypt_args_key needs the extra 'encryption': "
                "pip install 'fastapi-taskflow[encryption]'"
            ) from exc
        given = [secrets] if isinstance(secrets, str | bytes) else _several(secrets)
        if not given:
            raise ConfigurationError(
                "encrypt_args_key got an empty list; give None for no encryption."
            )
        self._keys = [_Key(secret) for secret in given]
        self._by_id = {key.key_id: key for key in self._keys}
        self._cipher = AESGCM
        self._refused = (InvalidTag, InvalidToken)
        self.fernet: MultiFernet = MultiFernet([Fernet(key.fernet_key) for key in self._keys])

    def __len__(self) -> int:
        return len(self._keys)

    def seal(self, plain: bytes, task_id: str, field: str) -> bytes:
        """``plain`` under the newest key, to be opened as this field of this task only."""
        key = self._keys[0]
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._cipher(key.of_task(task_id))
        head = _MAGIC + key.key_id
        return head + nonce + cipher.encrypt(nonce, plain, head + _place(task_id, field))

    def open(self, sealed: bytes, task_id: str, field: str) -> bytes:
        """What was sealed; bytes in no sealed form come back as they are.

        Raises:
            SealUnopened: no key here opens it, or it was changed, or sealed for another
                place.
        """
        if sealed.startswith(_FERNET_MAGIC):
            try:
                return self.fernet.decrypt(sealed)
            except self._refused:
                raise _unopened(task_id, field) from None
        if not sealed.startswith(_MAGIC):
            return sealed
        head, key = sealed[: len(_MAGIC) + _KEY_ID_BYTES], self._by_id.get(_key_id(sealed))
        if key is None or len(sealed) < _HEAD_BYTES + _TAG_BYTES:
            raise _unopened(task_id, field)
        nonce = sealed[len(head) : _HEAD_BYTES]
        try:
            return self._cipher(key.of_task(task_id)).decrypt(
                nonce, sealed[_HEAD_BYTES:], head + _place(task_id, field)
            )
        except self._refused:
            raise _unopened(task_id, field) from None

    def seal_text(self, plain: str, task_id: str, field: str) -> str:
        """As `seal`, in printable ASCII."""
        sealed = self.seal(plain.encode("utf-8", "surrogatepass"), task_id, field)
        return _TEXT_MAGIC + base64.urlsafe_b64encode(sealed).decode()

    def open_text(self, sealed: str, task_id: str, field: str) -> str:
        """As `open`.

        Raises:
            SealUnopened: as there.
        """
        if not is_sealed_text(sealed):
            return sealed
        try:
            data = base64.urlsafe_b64decode(sealed[len(_TEXT_MAGIC) :])
        except ValueError:
            raise _unopened(task_id, field) from None
        if not data.startswith(_MAGIC):
            raise _unopened(task_id, field)
        return self.open(data, task_id, field).decode("utf-8", "surrogatepass")

    def is_current(self, sealed: bytes | str) -> bool:
        """It is sealed with the newest key."""
        if isinstance(sealed, str):
            if not is_sealed_text(sealed):
                return False
            try:
                sealed = base64.urlsafe_b64decode(sealed[len(_TEXT_MAGIC) :])
            except ValueError:
                return False
        return sealed.startswith(_MAGIC) and _key_id(sealed) == self._keys[0].key_id

    def fingerprint(self, plain: bytes, generation: int = 0) -> bytes:
        """A keyed form, so that who reads the store cannot try arguments out.

        Args:
            generation: 0 for the newest key, up to ``len(self) - 1``.
        """
        return hmac.digest(self._keys[generation].fingerprints, plain, "sha256")


def is_closed(value: bytes) -> bool:
    """It has the form that `Keyring.seal` gives, or that of a Fernet token."""
    return value.startswith((_MAGIC, _FERNET_MAGIC))


def is_sealed_text(value: str) -> bool:
    """It begins as what `Keyring.seal_text` gives."""
    return value.startswith(_TEXT_MAGIC)


def has_sealed_form(value: str) -> bool:
    """It has all of that form; where nothing is encrypted, others only happen to begin so."""
    return _SEALED_TEXT.fullmatch(value) is not None


def _key_id(sealed: bytes) -> bytes:
    return sealed[len(_MAGIC) : len(_MAGIC) + _KEY_ID_BYTES]


def _place(task_id: str, field: str) -> bytes:
    return f"{field}\0{task_id}".encode()


def _unopened(task_id: str, field: str) -> SealUnopened:
    return SealUnopened(
        f"The {field} of task {task_id} cannot be opened: its key is not in encrypt_args_key, "
        "or it was changed in the store."
    )


def _master(secret: Secret) -> bytes:
    if not isinstance(secret, str | bytes):
        raise ConfigurationError(
            "encrypt_args_key takes text, bytes or a list of them, "
            f"got an item of type {type(secret).__name__}."
        )
    data = secret.encode() if isinstance(secret, str) else secret
    try:
        raw = base64.b64decode(data.strip().translate(_URLSAFE), validate=True)
    except ValueError:
        raw = b""
    if len(raw) == _FERNET_KEY_BYTES:
        return raw
    if len(data) < _LEAST_SECRET_BYTES:
        raise ConfigurationError(
            f"encrypt_args_key got a secret of {len(data)} bytes; it takes at least "
            f"{_LEAST_SECRET_BYTES}. Make one with: python -c "
            '"import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
        )
    return hashlib.scrypt(data, salt=_SALT, **_SCRYPT)


_URLSAFE = bytes.maketrans(b"-_", b"+/")
