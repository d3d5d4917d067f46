"""Users that are written down in the app: ``auth=("ada", "$argon2id$...")``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from hmac import compare_digest
from typing import Any, NamedTuple

from fastapi_taskflow.auth.passwords import Passwords, is_hash
from fastapi_taskflow.auth.users import AuthUser, TaskAuthBackend
from fastapi_taskflow.errors import ConfigurationError

__all__ = ["KnownUsers"]

logger = logging.getLogger(__name__)

_FORM = (
    "auth takes (name, password), (name, password, role), a list of these, a TaskAuthBackend, "
    "or None."
)
_PAIR, _TRIPLE = 2, 3


class _Account(NamedTuple):
    user: AuthUser
    name: bytes
    hashed: str


class KnownUsers(TaskAuthBackend):
    """A fixed list of users with hashes of their passwords.

    Args:
        given: What `TaskAdmin` got as ``auth``.
        passwords: Makes and checks hashes.

    Raises:
        ConfigurationError: it is not in the form of users, or names one twice. Says nothing
            of a password.
        ImportError: the extra ``auth`` is not installed.
    """

    def __init__(self, given: Any, passwords: Passwords | None = None) -> None:
        entries = [_entry(one) for one in _listed(given)]
        self._passwords = Passwords() if passwords is None else passwords
        plain = sum(not is_hash(password) for _, password in entries)
        self._accounts = [self._account(user, password) for user, password in entries]
        # Invariant: no two accounts have one name.
        if len({account.name for account in self._accounts}) != len(self._accounts):
            raise ConfigurationError("auth names a user twice.")
        self._decoy = self._passwords.decoy(self._accounts[0].hashed)
        if plain:
            logger.warning(
                "auth holds %d password(s) as plain text. They are hashed in memory, but who "
                "reads your code or its settings reads them: put hashes there, made with "
                "`fastapi-taskflow hash-password`",
                plain,
            )

    def authenticate_user(self, username: str, password: str) -> AuthUser | None:
        """The user, if the password is theirs. Takes as long for a user that there is not."""
        account = self._find(username)
        hashed = self._decoy if account is None else account.hashed
        right = self._passwords.verify(password, hashed)
        return account.user if account is not None and right else None

    async def current_user(self, user: AuthUser) -> AuthUser | None:
        """The user as the app has them now, so a restart without them ends their sessions."""
        account = self._find(user.name)
        return None if account is None else account.user

    def _find(self, name: str) -> _Account | None:
        wanted, found = name.encode("utf-8", "surrogatepass"), None
        # All of them, whoever is found: how long it takes tells nothing.
        for account in self._accounts:
            if compare_digest(account.name, wanted):
                found = account
        return found

    def _account(self, user: AuthUser, password: str) -> _Account:
        hashed = password if is_hash(password) else self._passwords.hash(password)
        return _Account(user, user.name.encode(), hashed)


def _listed(given: Any) -> Sequence[Any]:
    if isinstance(given, tuple) and given and isinstance(given[0], str):
        return [given]
    if not isinstance(given, list | tuple):
        raise ConfigurationError(f"{_FORM} Got {type(given).__name__}.")
    if not given:
        raise ConfigurationError(f"{_FORM} Got an empty {type(given).__name__}.")
    return given


def _entry(one: Any) -> tuple[AuthUser, str]:
    if not isinstance(one, list | tuple) or len(one) not in (_PAIR, _TRIPLE):
        # Without its content, which may be a password.
        raise ConfigurationError(f"{_FORM} A member of the list is a {type(one).__name__}.")
    name, password, *role = one
    if not isinstance(password, str):
        raise ConfigurationError(f"{_FORM} A password is a {type(password).__name__}.")
    return AuthUser(name, *role), password
