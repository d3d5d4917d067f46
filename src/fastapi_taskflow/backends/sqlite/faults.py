"""What a failure of SQLite means to the library.

Driver exceptions never leave this package: a store that cannot answer now becomes
`StoreUnavailable`, a full disk `StoreFull`; what is left is a defect of the statement or
of its values.
"""

from __future__ import annotations

import errno
import sqlite3

from fastapi_taskflow.words.errors import StoreFull, StoreUnavailable

__all__ = ["is_full", "is_outage", "loses_connection", "public", "translated"]

# Result codes that a wrong statement or value gives: the store itself is well.
_DEFECTS = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_TOOBIG,
    }
)
# The connection is well after these; after any other it is made anew.
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_LOCKED})
_PRIMARY = 0xFF
_NO_RIGHT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

_MEANINGS = {
    sqlite3.SQLITE_BUSY: "another process holds its write lock",
    sqlite3.SQLITE_LOCKED: "another connection holds its write lock",
    sqlite3.SQLITE_READONLY: (
        "it is read-only, or was moved while in use. Let this user write the file and its directory"
    ),
    sqlite3.SQLITE_IOERR: "the disk reported an error. See the system's log",
    sqlite3.SQLITE_CORRUPT: "its content is damaged; restore a backup",
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened. Both the file and its directory must be there, for this user"
    ),
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database. Move it away, or name another",
    sqlite3.SQLITE_PERM: "access is denied",
}


def _code(error: sqlite3.Error) -> int | None:
    return getattr(error, "sqlite_errorcode", None)


def is_outage(error: Exception) -> bool:
    """True if the store cannot answer now, whatever it was asked."""
    if isinstance(error, sqlite3.Error):
        code = _code(error)
        # Without a code the message is the module's own: a value of a wrong type, say.
        return code is not None and code & _PRIMARY not in _DEFECTS
    return isinstance(error, OSError | StoreUnavailable)


def loses_connection(error: Exception) -> bool:
    """True if the connection should not be used again after this outage."""
    if isinstance(error, sqlite3.Error):
        code = _code(error)
        return code is None or code & _PRIMARY not in _PASSING
    return isinstance(error, OSError)


def is_full(error: Exception) -> bool:
    """True if there was no room to write; a file size limit shows as a write error."""
    if isinstance(error, sqlite3.Error):
        return _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def translated(error: Exception, path: str) -> Exception:
    """The library's exception for a failure on the database at ``path``.

    Raise it ``from`` the original. What is not a failure of the store comes back as it
    is, wrong values as `TypeError`.
    """
    if not isinstance(error, sqlite3.Error | OSError):
        return error
    if is_full(error):
        return StoreFull(f"The disk under {path!r} is full ({error}). Make room on it.")
    if not is_outage(error):
        return TypeError(f"SQLite cannot store this value: {error}")
    if isinstance(error, OSError):
        meaning = _MEANINGS[sqlite3.SQLITE_READONLY] if error.errno in _NO_RIGHT else None
    else:
        code = _code(error)
        meaning = _MEANINGS.get(code & _PRIMARY) if code is not None else None
    reason = f"{meaning} ({error})" if meaning else str(error)
    return StoreUnavailable(f"The task store {path!r} does not answer: {reason}.")


def public(error: Exception, path: str) -> Exception:
    """As `translated`, for handing over: the driver's exception is the cause of it."""
    found = translated(error, path)
    if found is not error:
        found.__cause__ = error
    return found
