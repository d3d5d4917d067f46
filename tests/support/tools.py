"""Programs of the system that a few tests need beside Python."""

import os
import shutil
import subprocess
import sys
from typing import NoReturn

import pytest

# Where each program comes from on Debian and Ubuntu.
_PACKAGES = {"chromium": "chromium", "strace": "strace", "unshare": "util-linux"}


def need(program: str, *trial: str) -> None:
    """Go on only if the program is there; elsewhere the test is skipped, and fails in CI.

    Args:
        trial: Arguments with which it must end well, else the test is skipped everywhere:
            what a container forbids to do nobody can install.
    """
    if shutil.which(program) is None:
        _missing(f"needs {program} (Debian and Ubuntu: apt-get install {_PACKAGES[program]})")
    if trial:
        done = subprocess.run([program, *trial], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{program} {' '.join(trial)} is not allowed: {done.stderr.strip()}")


def _missing(reason: str) -> NoReturn:
    # Where it counts, nobody would notice a skipped test.
    if os.environ.get("CI") and sys.platform == "linux":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
