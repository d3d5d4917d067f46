"""Text without the secrets of one task.

Text is searched for the secret values themselves, as they are and as Python, JSON and URLs
write them; so what a task makes of a secret (a hash, half of it) is not recognised. The
password in an address, ``scheme://user:password@host``, is found by its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring, encode_basestring_ascii
from urllib.parse import quote

from fastapi_taskflow.words.addresses import HIDDEN, password_spans
from fastapi_taskflow.words.texts import clean

__all__ = ["MASK", "NO_MASK", "WITHHELD", "Mask"]

MASK = HIDDEN

# A shorter value is in any text by chance; where its place is known it is masked all the same.
_LEAST_LENGTH = 4
# Of a secret in several lines each line is one, such as those of a private key.
_LEAST_LINE = 8
# Longer ones are looked for in pieces of this length, so that a part of one, where a text was
# cut, is known as well. Less than half of the margin that `texts.fit` leaves.
_PIECE = 256
# Of a longer secret its beginning and its end are looked for.
_LONGEST = 64 * 1024
# Beyond this much no text can be searched in the time that there is: all of it is hidden.
_MOST_CHARACTERS = 2 * 1024 * 1024
# So few forms are looked for one after the other, more of them in one pass over the text.
_FEW = 48
# Tries at forms that begin alike, for each text beside one for each of its characters.
_PATIENCE = 50_000

# Text that Python, JSON and terminals write as it is.
_PLAIN = re.compile(r"[ !#-&(-\[\]-~]*")
# Text that URLs write as it is.
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")
_QUOTED = {code: f"%{code:02X}" for code in range(0x80) if not _UNRESERVED.fullmatch(chr(code))}
# Stands between texts that are quoted together.
del _QUOTED[ord("\n")]

Span = tuple[int, int]
Lengths = tuple[int, ...]


class Mask:
    """Replaces secrets in text. False if there are none but those in addresses."""

    __slots__ = ("_forms", "_hides_all", "_lengths", "_secrets")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = tuple(
            secret for secret in secrets if len(secret.strip()) >= _LEAST_LENGTH
        )
        self._hides_all = sum(map(len, self._secrets)) > _MOST_CHARACTERS
        # Made when the first text comes; most tasks write none.
        self._forms: frozenset[str] | None = None
        self._lengths: dict[str, Lengths] | None = None

    def __bool__(self) -> bool:
        return bool(self._secrets)

    @property
    def is_slow(self) -> bool:
        """To make it ready and search an error with it takes more than some milliseconds."""
        return len(self._secrets) > _FEW * 4

    def __call__(self, text: str) -> str:
        """All of a text."""
        if not self._secrets and ":/" not in text:
            return text
        return self.part(text, 0, len(text))

    def part(self, text: str, start: int, stop: int) -> str:
        """A part of a text, where a secret that reaches into it is known by its whole."""
        if self._hides_all:
            return MASK
        pieces: list[str] = []
        done = start
        spans = self._spans(text)
        if spans is None:
            return MASK
        for first, last in spans:
            if last <= start or first >= stop:
                continue
            pieces += (text[done : max(first, done)], MASK)
            done = last
        pieces.append(text[done:stop])
        return "".join(pieces)

    def _spans(self, text: str) -> list[Span] | None:
        """Where secrets are, in order and apart; None if that would take too long."""
        found = password_spans(text)
        if self._secrets:
            forms = self._ready()
            searched = _each(text, forms) if len(forms) <= _FEW else self._pass(text, forms)
            if searched is None:
                return None
            found += searched
        return _merged(found)

    def _ready(self) -> frozenset[str]:
        if self._forms is None:
            self._forms = frozenset(_forms(self._secrets))
        return self._forms

    def _pass(self, text: str, forms: frozenset[str]) -> list[Span] | None:
        """One pass over the text, by the first characters of what is looked for."""
        if self._lengths is None:
            self._lengths = _lengths(forms)
        spans: list[Span] = []
        left = len(text) + _PATIENCE
        find = self._lengths.get
        for start in range(len(text) - _LEAST_LENGTH + 1):
            lengths = find(text[start : start + _LEAST_LENGTH])
            if lengths is None:
                continue
            for length in lengths:
                left -= 1
                if text[start : start + length] in forms:
                    spans.append((start, start + length))
                    break
            if left < 0:
                return None
        return spans


class _Withheld(Mask):
    """Hides all text: the arguments could not be searched, and any of it may be of them."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def __call__(self, text: str) -> str:
        return MASK

    def part(self, text: str, start: int, stop: int) -> str:
        return MASK


NO_MASK = Mask()
WITHHELD = _Withheld()


def _each(text: str, forms: Iterable[str]) -> list[Span]:
    spans: list[Span] = []
    for form in forms:
        start = text.find(form)
        while start >= 0:
            spans.append((start, start + len(form)))
            start = text.find(form, start + len(form))
    return spans


def _lengths(forms: Iterable[str]) -> dict[str, Lengths]:
    """The lengths of forms by their first characters, the longest first."""
    alone = {length: (length,) for length in range(_PIECE + 1)}
    lengths: dict[str, Lengths] = {}
    for form in sorted(forms, key=len, reverse=True):
        start, length = form[:_LEAST_LENGTH], len(form)
        known = lengths.get(start)
        if known is None:
            lengths[start] = alone[length]
        elif known[-1] != length:
            lengths[start] = (*known, length)
    return lengths


def _merged(spans: list[Span]) -> list[Span]:
    if len(spans) < 2:  # noqa: PLR2004
        return spans
    spans.sort()
    merged = [spans[0]]
    for start, stop in spans[1:]:
        if start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _forms(secrets: Iterable[str]) -> set[str]:
    """All that is looked for."""
    forms: set[str] = set()
    plain: list[str] = []
    others: list[str] = []
    for secret in secrets:
        if len(secret) > _PIECE:
            others.append(secret)
        elif _UNRESERVED.fullmatch(secret):
            # Nearly all of them; every form is this one.
            forms.add(secret)
        elif _PLAIN.fullmatch(secret):
            plain.append(secret)
        else:
            others.append(secret)
    forms.update(plain, _in_urls(plain))
    for form in _written(others):
        if len(form) > _PIECE:
            forms.update(_pieces(form))
        elif len(form.strip()) >= _LEAST_LENGTH:
            forms.add(form)
    # Where there was nothing to join.
    forms.discard("")
    return forms


def _in_urls(secrets: Iterable[str]) -> list[str]:
    """As URLs write texts of ASCII without line ends: all at once, which come apart again."""
    quoted = "\n".join(secrets).translate(_QUOTED)
    forms = quoted.split("\n")
    if "%20" in quoted:
        forms += quoted.replace("%20", "+").split("\n")
    return forms


def _written(secrets: list[str]) -> set[str]:
    """Secrets as they may stand in texts."""
    parts = {part for secret in secrets for part in _parts(secret)}
    forms = set(parts)
    odd = [part for part in parts if not _PLAIN.fullmatch(part)]
    forms.update(clean(part) for part in odd if not part.isprintable())
    forms.update(repr(part)[1:-1] for part in odd)
    forms.update(encode_basestring_ascii(part)[1:-1] for part in odd)
    forms.update(encode_basestring(part)[1:-1] for part in odd)
    forms.update(_in_urls(part for part in parts if part.isascii() and "\n" not in part))
    urls = [_quote(part) for part in odd if not part.isascii() or "\n" in part]
    forms.update(urls, [url.replace("%20", "+") for url in urls])
    return forms


def _parts(secret: str) -> Iterator[str]:
    if len(secret) > 2 * _LONGEST:
        yield secret[:_LONGEST]
        yield secret[-_LONGEST:]
    else:
        yield secret
    if "\n" in secret or "\r" in secret:
        lines = map(str.strip, secret.splitlines())
        yield from (line[:_LONGEST] for line in lines if len(line) >= _LEAST_LINE)


def _quote(secret: str) -> str:
    return quote(secret.encode("utf-8", "replace").decode(), safe="")


def _pieces(form: str) -> Iterator[str]:
    for start in (*range(0, len(form) - _PIECE, _PIECE), len(form) - _PIECE):
        piece = form[start : start + _PIECE]
        if piece.strip():
            yield piece
