import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import BLOCK, DOCS, PAGES, ROOT, blocks, paste

FENCE = re.compile(r"^\s*```(\w+)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]*)(#[^)]*)?\)")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [p for p in PAGES if BLOCK.search(p.read_text())], ids=name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paste(page, tmp_path)

    files = [block.file for block in blocks(page) if block.file is not None]
    modules = [file.removesuffix(".py").replace("/", ".") for file in files]
    if files:
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", f"import {', '.join(modules)}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")


def test_the_tests_that_a_page_shows_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paste(DOCS / "guides" / "testing.md", tmp_path)

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "3 passed" in ended.stdout, ended.stdout
    assert not (tmp_path / "tasks.db").exists()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_python_of_a_page_escapes_the_test_above(page):
    assert set(FENCE.findall(page.read_text())) <= {"python"}
    assert len(FENCE.findall(page.read_text())) == len(list(blocks(page)))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_of_a_page_lead_somewhere(page):
    dead = []
    for path, anchor in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor[1:] not in anchors(target)):
            dead.append(path + anchor)

    assert dead == []


def test_every_page_is_listed_in_the_index():
    listed = {(DOCS / path).resolve() for path, _ in LINK.findall((DOCS / "index.md").read_text())}

    assert set(DOCS.rglob("*.md")) - listed == {DOCS / "index.md"}
