"""Make a virtual environment, unless a working one is there already.

Runs on the machine's own Python, so it says clearly when that one is too old.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path


def main(folder: Path) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036  (this is where older ones are told)
        print(
            f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}. "
            "Name another with: make PYTHON=python3.12 ...",
            file=sys.stderr,
        )
        return 1
    python = folder / "bin" / "python"
    if python.exists() and _runs(python, "-m", "pip", "--version"):
        return 0
    try:
        venv.create(folder, clear=True, with_pip=True)
    except subprocess.CalledProcessError:
        print(
            "This Python cannot make virtual environments; on Debian and Ubuntu install "
            "python3-venv.",
            file=sys.stderr,
        )
        return 1
    return 0


def _runs(*command: Path | str) -> bool:
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
