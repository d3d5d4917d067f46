"""The files of the dashboard, as the build left them in the package.

A source tree has none before its first build, and importing the package needs none.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath
from typing import Any

__all__ = ["Asset", "Bundle", "load"]

_PACKAGE = "fastapi_taskflow.admin.site"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# What the page to sign in has, too. Their names say nothing of their content.
_PLAIN = ("status.css", "icon.svg")
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file. ``lasting``: its name changes with its content."""

    content: bytes
    packed: bytes
    media_type: str
    lasting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """All files by name, the script that begins, and the styles that it needs.

    ``script`` is None where the dashboard was not built.
    """

    assets: dict[str, Asset]
    script: str | None
    styles: tuple[str, ...]


@cache
def load() -> Bundle:
    """The files; read and packed once in a process, which takes some 30 ms."""
    folder = files(_PACKAGE)
    assets = {name: _asset(folder / "static" / name, lasting=False) for name in _PLAIN}
    built = folder / "dist"
    manifest = built / _MANIFEST
    if not manifest.is_file():
        return Bundle(assets=assets, script=None, styles=())
    chunks: dict[str, dict[str, Any]] = json.loads(manifest.read_text("utf-8"))
    names = {chunk["file"] for chunk in chunks.values()}
    names.update(name for chunk in chunks.values() for name in chunk.get("css", ()))
    assets |= {name: _asset(built / name, lasting=True) for name in names}
    entry = next(chunk for chunk in chunks.values() if chunk.get("isEntry"))
    return Bundle(assets=assets, script=entry["file"], styles=tuple(entry.get("css", ())))


def _asset(file: Traversable, *, lasting: bool) -> Asset:
    content = file.read_bytes()
    return Asset(
        content=content,
        packed=gzip.compress(content, mtime=0),
        media_type=_TYPES[PurePath(file.name).suffix],
        lasting=lasting,
    )
