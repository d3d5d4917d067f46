"""Values that say where something is, paths, network addresses and URLs; and secret texts.

Each comes back as the same class. URLs are of pydantic's own classes: a user's subclass may
have rules that a stored text does not tell.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from pydantic import AnyUrl, PostgresDsn, SecretBytes, SecretStr, networks
from pydantic_core import MultiHostUrl, Url

from fastapi_taskflow.rules.codec.scalars import Foreign, read_text, write_text

__all__ = ["ADDRESS_READERS", "ADDRESS_WRITERS", "SECRETS"]

_IPS = {
    cls.__name__: cls
    for cls in (
        *(ipaddress.IPv4Address, ipaddress.IPv4Network, ipaddress.IPv4Interface),
        *(ipaddress.IPv6Address, ipaddress.IPv6Network, ipaddress.IPv6Interface),
    )
}
# One class for URLs with one host and one for those with many; without their own base.
_URL_BASES = (AnyUrl.__mro__[-2], PostgresDsn.__mro__[-2])
_URLS: dict[str, Any] = {
    cls.__name__: cls
    for cls in vars(networks).values()
    if isinstance(cls, type) and issubclass(cls, _URL_BASES) and cls not in _URL_BASES
} | {"Url": Url, "MultiHostUrl": MultiHostUrl}
# `Path` is the class of this system's own paths, wherever it is read.
_PATHS: dict[str, type[PurePath]] = {
    "Path": type(Path()),
    "PurePosixPath": PurePosixPath,
    "PureWindowsPath": PureWindowsPath,
}

SECRETS = frozenset[type]({SecretStr, SecretBytes})
"""Classes that are stored encrypted only."""


def _writer(kind: str, name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {"$": kind, "k": name, "v": write_text(str(value))}


def _reader(classes: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    def read(node: Mapping[str, Any]) -> Any:
        name, text = node["k"], read_text(node)
        if type(name) is str and name not in classes:
            raise Foreign(f"the class {name!r} is not known here")
        return classes[name](text)

    return read


ADDRESS_WRITERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    **{cls: _writer("path", name) for name, cls in _PATHS.items()},
    **{cls: _writer("ip", name) for name, cls in _IPS.items()},
    **{cls: _writer("url", name) for name, cls in _URLS.items()},
}

ADDRESS_READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "path": _reader(_PATHS),
    "ip": _reader(_IPS),
    "url": _reader(_URLS),
}
