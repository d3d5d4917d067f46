import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^\s*```(\w+)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]*)(#[^)]*)?\)")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> Iterator[CodeType]:
    """The page's Python, with the page's line numbers."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        lines_before = text.count("\n", 0, found.start(1))
        yield compile("\n" * lines_before + found[1], str(page), "exec")


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [p for p in PAGES if BLOCK.search(p.read_text())], ids=name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}

    for block in blocks(page):
        exec(block, namespace)  # noqa: S102  (our own pages)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_python_of_a_page_escapes_the_test_above(page):
    assert set(FENCE.findall(page.read_text())) <= {"python"}


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
