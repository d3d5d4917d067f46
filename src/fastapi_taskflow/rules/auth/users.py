"""Users, and the port through which an app brings its own."""

from __future__ import annotations

import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeAlias

from fastapi_taskflow.rules.auth.roles import ROLES, Role, is_role
from fastapi_taskflow.words.errors import ConfigurationError
from fastapi_taskflow.words.texts import clean

__all__ = ["NAME_LIMIT", "AuthUser", "TaskAuthBackend", "Verdict", "checked_name", "judged"]

logger = logging.getLogger(__name__)

NAME_LIMIT = 256
"""Characters of a user's name; as long as an actor of the audit."""


@dataclass(frozen=True, slots=True)
class AuthUser:
    """Somebody who may sign in.

    Args:
        name: In the audit and on the pages; 1 to 256 printable characters.
        role: ``"viewer"``, ``"operator"`` or ``"admin"``.

    Raises:
        ConfigurationError: a name or role that there cannot be.
    """

    name: str
    role: Role = "admin"

    def __post_init__(self) -> None:
        checked_name(self.name)
        if not is_role(self.role):
            raise ConfigurationError(f"A role is one of {', '.join(ROLES)}; got {self.role!r}.")


Verdict: TypeAlias = bool | str | AuthUser | None
"""What a check says: False or None, refused; True, an admin; a role; a user with a role."""


class TaskAuthBackend(ABC):
    """Users from the app's own place, as ``auth=`` of `TaskAdmin`.

    Both methods may be coroutine functions. Plain ones run in a thread, at most four at
    once in a process. One that raises, or takes more than 30 s, admits nobody: the client
    gets 503.
    """

    @abstractmethod
    def authenticate_user(self, username: str, password: str) -> Verdict | Awaitable[Verdict]:
        """Whether this is the user's password.

        Args:
            username: 1 to 256 printable characters, as they were typed.
            password: 1 to 1,024 characters; nobody is asked about an empty one.

        Returns:
            True: the user, as an admin. A role's name: the user with this role. An
            `AuthUser`: that one. False or None: nobody. Whatever else it returns admits
            nobody and is logged as an error.
        """

    def current_user(self, user: AuthUser) -> Verdict | Awaitable[Verdict]:
        """The user of a session as they are now; asked at each request of the session.

        As it is here, sessions keep the role of their beginning until they end.

        Args:
            user: Name and role at the beginning of the session.

        Returns:
            As `authenticate_user`, with True for "as at the beginning". A user who is
            refused, or has another name, is signed out.
        """
        return True


def checked_name(name: Any) -> str:
    """A user's name that can be shown and kept.

    Raises:
        ConfigurationError: it cannot.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LIMIT or not name.isprintable():
        raise ConfigurationError(
            f"A user's name is 1 to {NAME_LIMIT} printable characters; got {_short(name)}."
        )
    return name


def judged(verdict: Any, otherwise: AuthUser) -> AuthUser | None:
    """The user that a verdict means, None for nobody.

    Args:
        verdict: What the app's code returned, of whatever type.
        otherwise: The user that True means, and who gets the role where only that is named.
    """
    if verdict is True:
        return otherwise
    if verdict is False or verdict is None:
        return None
    if isinstance(verdict, AuthUser):
        return verdict
    if is_role(verdict):
        return AuthUser(otherwise.name, verdict)
    if inspect.iscoroutine(verdict):
        # Nobody awaits it any more; left open, Python would warn.
        verdict.close()
    logger.error(
        "A TaskAuthBackend returned %s, so nobody was let in; it takes True, False, None, "
        "an AuthUser, or one of %s",
        f"the text {_short(verdict)}" if isinstance(verdict, str) else type(verdict).__name__,
        ", ".join(ROLES),
    )
    return None


def _short(value: Any) -> str:
    text = clean(repr(value)) if isinstance(value, str) else type(value).__name__
    return text if len(text) <= NAME_LIMIT // 4 else f"{text[: NAME_LIMIT // 4]}…"
