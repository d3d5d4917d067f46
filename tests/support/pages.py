"""What the pages say, run as a reader would: pasted from top to bottom, files under their names."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w/]+\.py)\n")


class Block(NamedTuple):
    """Python of a page, the number of the line before it, and the file that it is to be."""

    source: str
    before: int
    file: str | None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in BLOCK.finditer(text):
        indent, source = found.groups()
        source = re.sub(f"^{indent}", "", source, flags=re.MULTILINE)
        named = _FILE.match(source)
        yield Block(source, text.count("\n", 0, found.start(2)), named[1] if named else None)


def paste(page: Path, folder: Path) -> dict[str, Any]:
    """Run a page in this folder, which is the working one; what it leaves behind."""
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.file is not None:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.source)
        else:
            code = compile("\n" * block.before + block.source, str(page), "exec")
            exec(code, namespace)  # noqa: S102  (our own pages)
    return namespace
