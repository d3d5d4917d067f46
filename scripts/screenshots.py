"""Pictures of every view of the dashboard, of the demo: light and dark, wide and on a phone.

    python scripts/screenshots.py FOLDER [--after SECONDS]   all of them, to look at
    python scripts/screenshots.py --docs [--after SECONDS]   the few that the guide shows

The shop needs a while until there is something to see. Needs a system chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "images"
SIZES = {"wide": (1280, 800), "phone": (390, 844)}
THEMES = ("light", "dark")
# Of those that the guide shows: view, theme, size.
KEPT = (
    ("overview", "light", "wide"),
    ("tasks", "dark", "wide"),
    ("task", "light", "wide"),
    ("failures", "light", "wide"),
    ("queues", "dark", "wide"),
    ("overview", "dark", "phone"),
)
_QUALITY = 80


class Shop(NamedTuple):
    """A running demo."""

    dashboard: str
    tasks: str

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.tasks}{path}") as answer:  # noqa: S310  (our own)
            return json.load(answer)

    def places(self) -> dict[str, str]:
        """The views by name, with something in them to see."""
        # Not a failed one: tracebacks have this machine's paths.
        some = self.ask("?func_name=charge_card&status=success&limit=1&brief=true")
        groups = self.ask("/failures?limit=1")
        places = {
            "overview": "",
            "tasks": "/tasks",
            "task": f"/tasks/{some[0]['task_id']}",
            "failures": "/failures",
            "queues": "/queues",
            "schedules": "/schedules",
            "functions": "/functions",
            "function": "/functions/charge_card",
            "instances": "/instances",
            "audit": "/audit",
        }
        if groups:
            places["failure"] = f"/failures/{groups[0]['group']}"
        return places


@contextmanager
def open_shop(after: float) -> Iterator[Shop]:
    """The demo with customers of its own, who have been at it for so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-m", "fastapi_taskflow", "demo", "--port", "0", "--json"]
        process = subprocess.Popen(
            [*program, "--db", str(Path(folder) / "shop.db")], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            # Up to the line that ends it.
            told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
            time.sleep(after)
            yield Shop(told["dashboard"], told["tasks"])
        finally:
            process.terminate()
            process.wait()


def shoot(browser: Browser, shop: Shop, folder: Path, chosen: Any) -> None:
    """Write those pictures that are ``chosen``: a function of view, theme and size."""
    folder.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                color_scheme=theme,  # type: ignore[arg-type]
                viewport={"width": width, "height": height},
                reduced_motion="reduce",
            )
            page = context.new_page()
            for view, place in shop.places().items():
                if chosen(view, theme, size):
                    look(page, shop.dashboard + place)
                    page.screenshot(
                        path=folder / f"{view}-{theme}-{size}.jpg", type="jpeg", quality=_QUALITY
                    )
            context.close()


def look(page: Page, address: str) -> None:
    """Open a view, and wait until it shows what it has."""
    page.goto(address)
    page.get_by_role("heading", level=1).wait_for()
    page.get_by_role("button", name="Live").wait_for()
    page.get_by_text("Loading…").first.wait_for(state="detached")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--after", type=float, default=60.0)
    given = parser.parse_args()
    if given.docs == (given.folder is not None):
        parser.error("give a folder, or --docs")
    kept = set(KEPT)
    with open_shop(given.after) as shop, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        shoot(
            browser,
            shop,
            DOCS if given.docs else given.folder,
            lambda *one: not given.docs or one in kept,
        )
        browser.close()


if __name__ == "__main__":
    main()
