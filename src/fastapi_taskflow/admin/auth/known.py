"""Users that are written down in the app: ``auth=("ada", "$argon2id$...")``."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from hmac import compare_digest
from typing import Any

from fastapi_taskflow.rules.auth.passwords import Passwords, is_hash
from fastapi_taskflow.rules.auth.users import AuthUser, TaskAuthBackend
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["KnownUsers"]

logger = logging.getLogger(__name__)

_FORM = (
    "auth takes (name, password), (name, password, role), a list of these, a TaskAuthBackend, "
    "or None."
)
_PAIR, _TRIPLE = 2, 3


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
        # Invariant: no two users have one name.
        self._users = {user.name.encode(): user for user, _ in entries}
        if len(self._users) != len(entries):
            raise ConfigurationError("auth names a user twice.")
        plain = {
            user.name.encode(): password for user, password in entries if not is_hash(password)
        }
        for password in plain.values():
            self._passwords.check(password)
        self._hashes = {
            user.name.encode(): password for user, password in entries if is_hash(password)
        }
        # A hash that nobody's password fits, for each of the costs that there are.
        self._decoys: dict[tuple[str, int, int], str] = {}
        # Set when all passwords are hashes; a tenth of a second each, which no event loop has.
        self._ready = threading.Event()
        if plain:
            self._warn(len(plain))
            threading.Thread(
                target=self._hash, args=(plain,), name="taskflow-passwords", daemon=True
            ).start()
        else:
            self._hash(plain)

    def authenticate_user(self, username: str, password: str) -> AuthUser | None:
        """The user, if the password is theirs. Takes as long for a user that there is not.

        Users may have hashes of different costs: each try has one check at each of them.
        """
        self._ready.wait()
        name = self._find(username)
        hashed = None if name is None else self._hashes[name]
        costs = None if hashed is None else self._passwords.costs(hashed)
        right = False
        for each, decoy in self._decoys.items():
            if each == costs and hashed is not None:
                right = self._passwords.verify(password, hashed)
            else:
                self._passwords.verify(password, decoy)
        return self._users[name] if name is not None and right else None

    def _hash(self, plain: dict[bytes, str]) -> None:
        for name, password in plain.items():
            self._hashes[name] = self._passwords.hash(password)
        for hashed in self._hashes.values():
            costs = self._passwords.costs(hashed)
            if costs not in self._decoys:
                self._decoys[costs] = self._passwords.decoy(hashed)
        self._ready.set()

    @staticmethod
    def _warn(count: int) -> None:
        logger.warning(
            "auth holds %d password(s) as plain text. They are hashed in memory, but who "
            "reads your code or its settings reads them: put hashes there, made with "
            "`fastapi-taskflow hash-password`",
            count,
        )

    async def current_user(self, user: AuthUser) -> AuthUser | None:
        """The user as the app has them now, so a restart without them ends their sessions."""
        name = self._find(user.name)
        return None if name is None else self._users[name]

    def _find(self, name: str) -> bytes | None:
        wanted, found = name.encode("utf-8", "surrogatepass"), None
        # All of them, whoever is found: how long it takes tells nothing.
        for known in self._users:
            if compare_digest(known, wanted):
                found = known
        return found


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
