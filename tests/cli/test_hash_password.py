"""hash-password: a hash comes out, and the password nowhere."""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from fastapi_taskflow.rules.auth.passwords import Passwords

# Makes its standard input the terminal of a session of its own, as a shell does.
AT_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
COMMAND = str(Path(sys.executable).with_name("fastapi-taskflow"))
TYPED = "corr\u00e9ct horse"


def piped(given: bytes, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """The command with something on standard input."""
    return subprocess.run(
        [COMMAND, "hash-password", *arguments],
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )


def typed(*lines: str) -> tuple[int, str, str]:
    """The command at a terminal: exit code, standard output, and what the terminal showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", AT_TERMINAL, COMMAND, "hash-password"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = ""
    try:
        for number, line in enumerate(lines, start=1):
            # The blank comes when the echo is off; what is typed before is lost.
            shown = _read_until(ours, shown, prompts=number)
            os.write(ours, line.encode() + b"\n")
        out, _ = process.communicate(timeout=30)
        return process.returncode, out.decode(), _read_until(ours, shown, prompts=1_000)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read_until(terminal: int, shown: str, *, prompts: int) -> str:
    """What is shown up to so many prompts, or to the end."""
    while shown.count(": ") < prompts and select.select([terminal], [], [], 30.0)[0]:
        try:
            shown += os.read(terminal, 4096).decode()
        except OSError:  # the other side has ended
            break
    return shown


@pytest.mark.quick
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\nignored\n"])
def test_a_line_of_standard_input_is_hashed(end):
    done = piped(TYPED.encode() + end)

    assert (done.returncode, done.stderr) == (0, b"")
    assert Passwords().verify(TYPED, done.stdout.decode().removesuffix("\n"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"", "no password on standard input"),
        (b"\n", "no password on standard input"),
        (b"\xff\xfe\n", "not UTF-8"),
        (b"x" * 1025, "1 to 1024 characters"),
        (b"x" * 100_000, "1 to 1024 characters"),
    ],
)
def test_what_is_no_password_ends_with_1_in_one_line(given, told):
    done = piped(given)

    assert (done.returncode, done.stdout) == (1, b"")
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_the_password_is_never_an_argument():
    done = piped(b"", "secret")

    assert (done.returncode, done.stdout) == (2, b"")


def test_a_terminal_is_asked_twice_and_shows_nothing_of_it():
    code, out, shown = typed(TYPED, TYPED)

    assert code == 0
    assert Passwords().verify(TYPED, out.strip())
    assert "Once more" in shown
    assert "horse" not in shown + out


def test_two_passwords_that_differ_make_no_hash():
    code, out, shown = typed(TYPED, "another")

    assert (code, out) == (1, "")
    assert "differ" in shown
    assert "another" not in shown


@pytest.mark.parametrize(("password", "told"), [(b"1234567", True), (b"12345678", False)])
def test_a_short_password_is_hashed_with_a_note(password: bytes, told: bool) -> None:
    done = piped(password + b"\n")

    assert (done.returncode, b"soon guessed" in done.stderr) == (0, told)
    assert done.stdout.startswith(b"$argon2id$")
