"""An environment for each peer, beside this file: `python -m benchmarks.peers.environments`.

Never in the project's own: what a peer needs is nobody else's concern.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["PEERS", "python_of", "version_of"]

# What their documentation tells to install, and what makes each of them as fast as it gets.
PEERS = {
    "saq": ["saq[redis,hiredis]", "typing_extensions", "uvloop"],
    "arq": ["arq", "hiredis", "uvloop"],
    "taskiq": ["taskiq", "taskiq-redis", "hiredis", "uvloop"],
    "dramatiq": ["dramatiq[redis]", "hiredis", "uvloop"],
    "procrastinate": ["procrastinate", "psycopg[binary]", "uvloop"],
}
_HERE = Path(__file__).parent
_NEW = _HERE.parents[1] / "scripts" / "new_venv.py"


def python_of(peer: str) -> str:
    """The interpreter of a peer, whose environment is made if it is not there."""
    folder = _HERE / f".venv-{peer}"
    made, python = folder / ".made", str(folder / "bin" / "python")
    if not made.exists():
        print(f"... an environment for {peer}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, str(_NEW), str(folder)], check=True)
        install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        subprocess.run([python, *install, *PEERS[peer]], check=True)
        made.touch()
    return python


def version_of(peer: str) -> str:
    """What is installed."""
    found = f"import importlib.metadata as m; print(m.version({peer!r}))"
    done = subprocess.run(
        [python_of(peer), "-c", found], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    for name in PEERS:
        print(name, version_of(name))
