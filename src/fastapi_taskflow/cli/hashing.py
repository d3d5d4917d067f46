"""``hash-password``: what to put into `TaskAdmin`'s ``auth`` in place of a password.

The password is never an argument, which every user of the machine can read.
"""

from __future__ import annotations

import sys

import typer

from fastapi_taskflow.rules.auth.passwords import PASSWORD_LIMIT, Passwords
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["hash_password"]

# Above the longest password in UTF-8, so that a longer one is seen to be longer.
_LINE_LIMIT_BYTES = 4 * PASSWORD_LIMIT + 2
_SHORT = 8


def hash_password() -> None:
    """Make the hash of a password, for TaskAdmin(auth=(NAME, HASH)).

    It asks twice, and shows nothing of what is typed; where nobody can be asked, it reads
    one line of standard input.
    """
    try:
        passwords = Passwords()
    except ImportError as exc:
        raise ConfigurationError(str(exc)) from exc
    password = _asked() if sys.stdin.isatty() else _read()
    if len(password) < _SHORT:
        typer.echo(f"note: a password of fewer than {_SHORT} characters is soon guessed.", err=True)
    typer.echo(passwords.hash(password))


def _asked() -> str:
    password: str = typer.prompt("Password", hide_input=True, err=True)
    if password != typer.prompt("Once more", hide_input=True, err=True):
        raise ConfigurationError("The two passwords differ; nothing was made.")
    return password


def _read() -> str:
    line = sys.stdin.buffer.readline(_LINE_LIMIT_BYTES)
    try:
        password = line.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as exc:
        raise ConfigurationError("The password on standard input is not UTF-8 text.") from exc
    if not password:
        raise ConfigurationError("There is no password on standard input: give it one line.")
    return password
