"""The walk over a call's arguments that finds the secrets among them."""

from __future__ import annotations

import re
from typing import Any

from fastapi_taskflow.rules.redaction.insides import inside, is_text_like, text_of
from fastapi_taskflow.rules.redaction.judging import Judge
from fastapi_taskflow.words.addresses import passwords_in
from fastapi_taskflow.words.plain import ATOMS

__all__ = ["Findings"]

# Bounds the walk over one task's arguments to some 10 ms.
_MOST_VALUES = 20_000
_DEEPEST = 64
# An object of no known form in another one: it may hold half of the program.
_DEEPEST_OBJECT = 3
# A credential with the name of its scheme before it: "Bearer abc".
_SCHEME = re.compile(r"(?:Basic|Bearer|Digest|Token|ApiKey|Negotiate)\s+(\S.*)", re.IGNORECASE)
# "sid=abc; theme=dark": the values of cookies, those that are long enough to be secret.
_LEAST_COOKIE = 8
# Has no such parts.
_PLAIN = re.compile(r"[^\s=:]{0,256}")
_LONGEST_HEADER = 8_192
# Of a longer one its beginning and its end are enough to hide all of it.
_MOST_BYTES = 256 * 1024


class Findings:
    """``secrets`` are those found so far, as text; ``whole``: nothing was left unseen."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._left = _MOST_VALUES
        # By identity, as secret and not; with the values themselves, so that no later one can
        # have the identity of an earlier one.
        self._seen: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
        self.secrets: set[str] = set()
        self.whole = True

    def visit(self, value: Any, depth: int = 0, objects: int = 0, *, secret: bool) -> None:
        """Look at a value and what is in it.

        Args:
            objects: How many objects it lies in.
            secret: Of it all is.
        """
        self._left -= 1
        if self._left < 0 or depth >= _DEEPEST:
            self.whole = False
            return
        try:
            # First, because nearly all are.
            if type(value) in ATOMS:
                self._atom(value, secret=secret)
                return
            # What stands in several places is seen once, and what contains itself ends.
            seen = self._seen[secret]
            if id(value) not in seen:
                seen[id(value)] = value
                self._enter(value, depth, objects, secret=secret)
        # A class of the user's may still be in the way (its metaclass, say); the rest counts.
        except BaseException:
            self.whole = False

    def _atom(self, value: Any, *, secret: bool) -> None:
        if secret:
            self._take(value)
        elif type(value) is str and ":/" in value:
            self._take_passwords(value)

    def _enter(self, value: Any, depth: int, objects: int, *, secret: bool) -> None:
        # The two that nearly all are, without a list of their members in between.
        if type(value) is dict and len(value) <= self._left:
            for name, one in list(value.items()):
                self._member(one, depth, objects, secret=secret or name in self._judge.names)
        elif type(value) is list and len(value) <= self._left:
            for one in list(value):
                self._of_list(one, depth, objects, secret=secret)
        else:
            self._look(value, depth, objects, secret=secret)

    def _look(self, value: Any, depth: int, objects: int, *, secret: bool) -> None:
        found = inside(value, self._left)
        if found is None:
            self._text(value, secret=secret)
            return
        objects += found.form == "fields"
        if objects > _DEEPEST_OBJECT and not secret:
            self.whole = False
            return
        if found.form == "list":
            for _, one in found.pairs:
                self._of_list(one, depth, objects, secret=secret)
            return
        for _, one, named in self._judge.members(value, found):
            self._member(one, depth, objects, secret=secret or named)

    def _member(self, one: Any, depth: int, objects: int, *, secret: bool) -> None:
        # As `visit`, which is not called for what most members are.
        if type(one) is str:
            self._left -= 1
            if self._left >= 0:
                self._atom(one, secret=secret)
            else:
                self.whole = False
        elif secret or type(one) is not int:
            self.visit(one, depth + 1, objects, secret=secret)

    def _of_list(self, one: Any, depth: int, objects: int, *, secret: bool) -> None:
        pair = type(one) is tuple or type(one) is list
        if pair and not secret and self._judge.names_its_value(one):
            self.visit(one[1], depth + 2, objects, secret=True)
        else:
            self._member(one, depth, objects, secret=secret)

    def _text(self, value: Any, *, secret: bool) -> None:
        text = text_of(value) if secret or is_text_like(type(value)) else None
        if text is not None and secret:
            self._take(text)
        elif text is not None:
            self._take_passwords(text)

    def _take_passwords(self, text: str) -> None:
        for password in passwords_in(text):
            self._take(password)

    def _take(self, value: Any) -> None:
        if type(value) is str and _PLAIN.fullmatch(value):
            self.secrets.add(value)
            return
        if value is None or value is True or value is False:
            return
        if isinstance(value, bytes):
            if len(value) > _MOST_BYTES:
                self._take(value[:_MOST_BYTES])
                value = value[-_MOST_BYTES:]
            self.secrets.add(repr(value)[2:-1])
            value = value.decode("utf-8", "replace")
        text = value if type(value) is str else str(value)
        if len(text) > 2 * _MOST_BYTES:
            text = f"{text[:_MOST_BYTES]}\n{text[-_MOST_BYTES:]}"
        self.secrets.add(text)
        if len(text) <= _LONGEST_HEADER:
            self._take_parts(text)

    def _take_parts(self, text: str) -> None:
        """What is secret in a header's value."""
        self.secrets.update(passwords_in(text))
        scheme = _SCHEME.match(text)
        if scheme is not None:
            self.secrets.add(scheme[1])
        if "=" in text:
            values = (part.partition("=")[2].strip() for part in text.split(";"))
            self.secrets.update(value for value in values if len(value) >= _LEAST_COOKIE)
