"""The dashboard in a real browser, of an app on a real server."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.dashboard.looking import Look, Looking
from tests.support.servers import Server, serving
from tests.support.tools import need

_CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starting a browser takes a second, and on a busy machine several."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


# Not for the session: until it ends its event loop counts as running, and no other test could
# have one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's chromium."""
    need("chromium")
    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        found = playwright.chromium.launch(executable_path=path, args=[*_CHROMIUM])
        yield found
        found.close()


@pytest.fixture
def look(browser: Browser, server: Server) -> Iterator[Looking]:
    """Opens browsers at the module's server; takes what `Browser.new_context` takes."""
    with ExitStack() as stack:
        looks: list[Look] = []

        def make(**settings: Any) -> Look:
            context = browser.new_context(**settings)
            stack.callback(context.close)
            looks.append(Look(context, server))
            return looks[-1]

        yield make
        for one in looks:
            assert one.faults == []


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The app whose source the module has as ``APP``."""
    with serving(request.module.APP, tmp_path_factory.mktemp("served")) as started:
        yield started
