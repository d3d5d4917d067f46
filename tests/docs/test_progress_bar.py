"""The examples of a progress bar, in a real browser."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.servers import ROOT, serving
from tests.support.tools import need

_BROWSER = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    # What the page waits for takes no time of the budget, and what is left of it then none at all.
    "--virtual-time-budget=600000", "--dump-dom",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "told"),
    [("progress_bar", "done"), ("import_bar", "20 of 20, 2 failed")],
)
def test_a_page_shows_how_far_its_work_is(tmp_path: Path, example: str, told: str) -> None:
    need("chromium")
    source = (ROOT / "examples" / f"{example}.py").read_text()
    with serving(source, tmp_path) as server:
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        shown = subprocess.run(
            [*_BROWSER, profile, server.url], capture_output=True, text=True, check=True
        ).stdout

    assert re.search(r'<progress id="bar" value="20" max="20">', shown), shown
    assert f'<output id="told">{told}</output>' in shown
