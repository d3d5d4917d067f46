"""Amounts of memory: as settings give them, and as people read them."""

from __future__ import annotations

import re

from fastapi_taskflow.words.limits import wrong
from fastapi_taskflow.words.plain import is_a

__all__ = ["memory", "size_text"]

_UNITS = {
    f"{prefix}{kind}b": base**power
    for kind, base in (("", 1000), ("i", 1024))
    for power, prefix in enumerate("kmgt", start=1)
}
_TEXT = re.compile(r"(\d{1,12}(?:\.\d{1,12})?) ?([kmgt]i?b)", re.ASCII | re.IGNORECASE)

_LEAST = 16 * 2**20
"""No Python process has less; whoever gives less means another unit."""
_MOST = 2**60


def memory(what: str, value: object) -> int:
    """Bytes for a process, from a number of them or a text such as ``"512MB"`` or ``"1.5 GiB"``.

    kB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024.

    Raises:
        ConfigurationError: neither, or too little for any process.
    """
    found = _bytes_of(value)
    if found is None:
        raise wrong(what, "bytes, as a whole number or a text such as '512MB' or '1GiB'", value)
    if not _LEAST <= found <= _MOST:
        limits = "16 MiB, which Python itself needs, to 1 EiB"
        raise wrong(what, f"{limits}; a number counts bytes", value)
    return found


def _bytes_of(value: object) -> int | None:
    if is_a(value, int) and not is_a(value, bool):
        return int.__index__(value)
    if not is_a(value, str):
        return None
    found = _TEXT.fullmatch(str.__str__(value))
    return None if found is None else int(float(found[1]) * _UNITS[found[2].lower()])


def size_text(count: int) -> str:
    """A number of bytes for a sentence, in MB."""
    return f"{count / 1e6:,.0f} MB"
