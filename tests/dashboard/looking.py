"""One person's browser at one server."""

from collections.abc import Callable
from typing import Any

import httpx2
from playwright.sync_api import BrowserContext, Page

from tests.support.servers import ROOT, Server

# What a test waits for, at most; on a busy machine a page takes its time.
PATIENCE_MS = 60_000
_AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"


class Look:
    """One person's browser at one server.

    Attributes:
        page: The tab.
        faults: What the page did wrong: errors of scripts, of the console, violations of its
            content security policy. Tests leave it empty.
    """

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.server = server
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))
        self.page.expose_function("__violated", self._violated)
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) =>"
            " window.__violated(`CSP ${e.violatedDirective} ${e.blockedURI}`));"
        )

    def _violated(self, what: str) -> None:
        self.faults.append(what)

    def _hear(self, message: Any) -> None:
        # Refusals are logged by the browser itself; tests say which they expect.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def open(self, place: str = "") -> Page:
        """Go to an address of the dashboard."""
        self.page.goto(f"{self.server.url}/tasks/dashboard{place}")
        return self.page

    @property
    def api(self) -> httpx2.Client:
        """For what a test arranges."""
        return httpx2.Client(base_url=self.server.url, timeout=60)


Looking = Callable[..., Look]


def serious(page: Page) -> list[str]:
    page.evaluate(_AXE.read_text())
    answer = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in answer["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]
