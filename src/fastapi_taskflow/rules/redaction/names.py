"""Which names are those of secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastapi_taskflow.words import limits

__all__ = ["DEFAULT_NAMES", "Names"]

DEFAULT_NAMES = frozenset({
    "access_key", "api_key", "apikey", "auth", "auth_key", "authentication", "authorization",
    "bearer", "cookie", "cookies", "credential", "credentials", "creds", "csrf", "cvv",
    "encryption_key", "hmac", "jwt", "oauth", "otp", "passcode", "passphrase", "passwd",
    "password", "passwords", "private_key", "pwd", "secret", "secrets", "session_id",
    "sessionid", "session_key", "sig", "signature", "signing_key", "ssh_key", "token", "totp",
    "xsrf",
})  # fmt: skip
"""Names that are always sensitive, and their plurals."""

# A shorter name counts as a whole word only: "pin" is not in "spin".
_LEAST_ENDING = 5
# Of a longer one its end decides.
_LONGEST_NAME = 100
_MOST_KNOWN = 4_096
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W_A-Za-z]+")
# Language models count in tokens: of "max_tokens" there is nothing to hide.
_COUNTED = frozenset({"token", "tokens"})
_COUNTING = frozenset({
    "budget", "cached", "completion", "count", "input", "limit", "max", "min", "n", "new", "num",
    "output", "per", "prompt", "reasoning", "total", "usage", "used",
})  # fmt: skip


class Names:
    """The sensitive names of one manager.

    Args:
        names: Beside `DEFAULT_NAMES`. ``api_key`` means ``apiKey``, ``X-Api-Key``,
            ``stripe_api_key`` and ``api_keys`` as well.

    Raises:
        ConfigurationError: something is no name.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        given = [names] if isinstance(names, str) else limits.several("redact", "names", names)
        for name in given:
            if not isinstance(name, str) or not _words(name):
                raise limits.wrong("redact", "names", name)
        phrases = {" ".join(_words(name)) for name in DEFAULT_NAMES.union(given)}
        phrases |= {_plural(phrase) for phrase in phrases}
        self._phrases = tuple(f" {phrase} " for phrase in sorted(phrases))
        joined = {phrase.replace(" ", "") for phrase in phrases}
        self._endings = tuple(word for word in joined if len(word) >= _LEAST_ENDING)
        # Of names met so far; emptied when data make it grow.
        self._known: dict[str | bytes, bool] = {}

    def __contains__(self, name: object) -> bool:
        """The name, as text or bytes, has a sensitive one among its words, or ends with it."""
        if type(name) is not str and type(name) is not bytes:
            return isinstance(name, str) and str.__str__(name) in self
        known = self._known.get(name)
        return self._learn(name) if known is None else known

    def _learn(self, name: str | bytes) -> bool:
        end = name[-_LONGEST_NAME:]
        known = self._judge(end if isinstance(end, str) else end.decode("latin-1"))
        if len(name) <= _LONGEST_NAME:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[name] = known
        return known

    def _judge(self, name: str) -> bool:
        words = _words(name)
        if not _COUNTING.isdisjoint(words):
            words = [word for word in words if word not in _COUNTED]
        text = f" {' '.join(words)} "
        return any(phrase in text for phrase in self._phrases) or "".join(words).endswith(
            self._endings
        )


def _words(name: str) -> list[str]:
    """``["api", "key"]`` for ``apiKey``, ``API_KEY`` and ``api-key``."""
    return [word.lower() for word in _WORD.findall(name)]


def _plural(phrase: str) -> str:
    return phrase if phrase.endswith("s") else f"{phrase}s"
