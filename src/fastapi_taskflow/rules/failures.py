"""Which failures are the same: the function, the exception's class, and the app's own frames.

Frames count by module and function, not by line, so that a group survives edits elsewhere in a
file. Frames of the standard library and of installed packages are left out, because an upgrade
moves them; those of the package that the task's function is in stay, since an app may be
installed itself. Of recursion each function counts once. Numbers and hexadecimal words in names
are replaced, because names that are made at run time would each be a group of their own.
"""

from __future__ import annotations

import json
import re
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import PurePath
from types import CodeType, TracebackType

from fastapi_taskflow.rules.exceptionparts import full_name_of, traceback_of
from fastapi_taskflow.words.failures import Failure, Site
from fastapi_taskflow.words.texts import clean

__all__ = ["TIMED_OUT", "group_of", "site_of"]

TIMED_OUT = Site("TimeoutError")
"""Of an attempt that took longer than its timeout."""

_PACKAGE = __name__.partition(".")[0]
_GROUP_DIGITS = 16
_KIND_CHARACTERS = 120
# Recursion makes a thousand; what is deeper is the same again.
_MOST_FRAMES = 1_000
_MOST_OWN = 50
_MADE = re.compile(r"\d{4,}|(?=[0-9a-f]*\d)[0-9a-f]{8,}", re.IGNORECASE)
_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\]")
_STANDARD = ("<frozen", *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})
_MAIN = frozenset({"__main__", "__mp_main__"})


def site_of(error: BaseException) -> Site:
    """Where an exception came from. Never fails, and runs no code of the user's."""
    try:
        kind = clean(full_name_of(error))[:_KIND_CHARACTERS] or "?"
        return Site(kind, _own(traceback_of(error)))
    # A class may have been given any name.
    except BaseException:
        return Site("?")


def group_of(func_name: str, site: Site) -> Failure:
    """The group of a failed attempt of a function."""
    parts = [func_name, *(_MADE.sub("#", part) for part in (site.kind, *site.frames))]
    digest = sha256(json.dumps(parts).encode()).hexdigest()
    return Failure(digest[:_GROUP_DIGITS], site.kind)


def _own(trace: TracebackType | None) -> tuple[str, ...]:
    frames = list(_frames(trace))
    if not frames:
        return ()
    package = _top(frames[0][0])
    own = dict.fromkeys(
        f"{module}:{code.co_qualname}"
        for module, code in frames
        if _top(module) == package or not _is_foreign(code.co_filename)
    )
    return tuple(own)[-_MOST_OWN:]


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, CodeType]]:
    """Module and code of each frame that is not this library's, outermost first."""
    left = _MOST_FRAMES
    while trace is not None and left:
        left -= 1
        code = trace.tb_frame.f_code
        name = trace.tb_frame.f_globals.get("__name__")
        module = name if isinstance(name, str) else "?"
        if module in _MAIN:
            # The same file is imported under its own name elsewhere.
            module = PurePath(code.co_filename).stem
        if _top(module) != _PACKAGE:
            yield module, code
        trace = trace.tb_next


def _top(module: str) -> str:
    return module.partition(".")[0]


@lru_cache(maxsize=4096)
def _is_foreign(filename: str) -> bool:
    """The standard library's, or of an installed package."""
    return filename.startswith(_STANDARD) or _INSTALLED.search(filename) is not None
