"""Where a database may lie: on a file system of this kernel.

SQLite's locks, its shared memory and our own file locks work between processes on one
kernel only. On a network file system they fail silently, and the database breaks.
"""

from __future__ import annotations

import re
from pathlib import Path

from fastapi_taskflow.errors import ConfigurationError

__all__ = ["check_place", "filesystem_of"]

_MOUNTS = Path("/proc/self/mountinfo")
_SHARED = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "gfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "pvfs2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
    }
)
_OCTAL = re.compile(r"\\([0-7]{3})")


def filesystem_of(path: str, mounts: str) -> str | None:
    """The type of the file system that holds ``path``.

    Args:
        path: Absolute, without symbolic links.
        mounts: Text in the form of ``/proc/self/mountinfo``.
    """
    best, kind = -1, None
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        columns = fields.split(" ")
        if len(columns) < 5 or not rest:  # noqa: PLR2004  (the fifth is the mount point)
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), columns[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # Of mounts on one point the last one is on top.
        if inside and len(point) >= best:
            best, kind = len(point), rest.split(" ", 1)[0]
    return kind


def _is_shared(kind: str) -> bool:
    # "fuseblk" is a local disk (NTFS, exFAT); other FUSE may be anything.
    return kind in _SHARED or kind == "fuse" or kind.startswith("fuse.")


def check_place(path: str) -> None:
    """Refuse a database path that cannot work.

    Args:
        path: Absolute, without symbolic links.

    Raises:
        ConfigurationError: its directory is missing, it is a directory, or it lies on a
            network or FUSE file system.
    """
    place = Path(path)
    if place.is_dir():
        raise ConfigurationError(
            f"The task store {path!r} is a directory. Name a file in it, such as "
            f"{str(place / 'tasks.db')!r}."
        )
    if not place.parent.is_dir():
        raise ConfigurationError(
            f"The task store {path!r} cannot be made: the directory {str(place.parent)!r} does "
            "not exist. Create it first."
        )
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # not Linux, or no /proc: nothing to tell by
        return
    kind = filesystem_of(path, mounts)
    if kind is not None and _is_shared(kind):
        raise ConfigurationError(
            f"The task store {path!r} is on a {kind} file system, where SQLite's locks do not "
            "work and data would be lost. Put it on a local disk (or a container volume), or use "
            "PostgreSQL, MySQL or Redis to share tasks between machines."
        )
