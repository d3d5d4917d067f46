"""Addresses of stores and services in texts, and the passwords in them."""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "hide_passwords", "password_spans", "passwords_in"]

HIDDEN = "[redacted]"
"""What stands in the place of a secret."""

# scheme://user:password@host, where the user may be empty; one slash is left of the two where
# it was taken for a path. Up to the next slash, so that each character is looked at once.
_PASSWORD = re.compile(r""":/{1,2}[^\s/:@?#"'<>]*:([^\s/"'<>]+)@""")


def password_spans(text: str) -> list[tuple[int, int]]:
    """Where the passwords stand, in order."""
    return [found.span(1) for found in _PASSWORD.finditer(text)] if ":/" in text else []


def passwords_in(text: str) -> list[str]:
    """The passwords, in order."""
    return [text[start:stop] for start, stop in password_spans(text)]


def hide_passwords(text: str) -> str:
    """The text with `HIDDEN` in their places."""
    for start, stop in reversed(password_spans(text)):
        text = f"{text[:start]}{HIDDEN}{text[stop:]}"
    return text
