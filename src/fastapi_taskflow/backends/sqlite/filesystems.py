"""Where a database may lie: on a file system of this kernel, under one name.

SQLite's locks, its shared memory and our own file locks work between processes on one
kernel only. On a network file system they fail silently, and the database breaks. So it
does where one file has two names: its log is found by its name, and each name would have
a log of its own. A symbolic link is no second name, because it is resolved first.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["Mount", "check_place", "mount_of"]

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


class Mount(NamedTuple):
    """A mount point, and the type of the file system there."""

    point: str
    kind: str


def mount_of(path: str, mounts: str) -> Mount | None:
    """The mount that holds ``path``.

    Args:
        path: Absolute, without symbolic links.
        mounts: Text in the form of ``/proc/self/mountinfo``.
    """
    best: Mount | None = None
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        columns = fields.split(" ")
        if len(columns) < 5 or not rest:  # noqa: PLR2004  (the fifth is the mount point)
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), columns[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # Of mounts on one point the last one is on top.
        if inside and (best is None or len(point) >= len(best.point)):
            best = Mount(point, rest.split(" ", 1)[0])
    return best


def _is_shared(kind: str) -> bool:
    # "fuseblk" is a local disk (NTFS, exFAT); other FUSE may be anything.
    return kind in _SHARED or kind == "fuse" or kind.startswith("fuse.")


def check_place(path: str) -> None:
    """Refuse a database path that cannot work.

    Args:
        path: Absolute, without symbolic links.

    Raises:
        ConfigurationError: its directory is missing, it is no regular file, it has more than one
            name, or it lies on a network or FUSE file system.
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
    if place.exists() and not place.is_file():
        raise ConfigurationError(
            f"The task store {path!r} is a pipe, a socket or a device. Name a file, or a path "
            "where none is yet."
        )
    _check_names(place)
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # not Linux, or no /proc: nothing to tell by
        return
    mount = mount_of(path, mounts)
    if mount is not None:
        _check_mount(path, mount)


def _check_names(place: Path) -> None:
    try:
        names = place.stat().st_nlink
    except OSError:  # there is none yet
        return
    if names > 1:
        raise ConfigurationError(
            f"The task store {str(place)!r} is one of {names} hard links to one file. SQLite "
            "keeps a log beside each name, so processes under different names would destroy "
            "each other's tasks. Leave one name: make a copy with `sqlite3 FILE \".backup "
            f'COPY"`, or find the others with `find -samefile {place}` and remove them.'
        )


def _check_mount(path: str, mount: Mount) -> None:
    if mount.point == path:
        raise ConfigurationError(
            f"The task store {path!r} is mounted as a single file. SQLite's log beside it would "
            "not be shared, and its tasks would be lost with the container. Mount the directory "
            f"that holds it instead, such as `-v tasks:{Path(path).parent}`."
        )
    if _is_shared(mount.kind):
        raise ConfigurationError(
            f"The task store {path!r} is on a {mount.kind} file system, where SQLite's locks do "
            "not work and data would be lost. Put it on a local disk (or a container volume), or "
            "use PostgreSQL, MySQL or Redis to share tasks between machines."
        )
