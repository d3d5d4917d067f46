"""Arguments to typed JSON and back.

Plain JSON values stand for themselves. Everything else is an object with the key ``$``
that names its kind; a user's own dict with such a key is written as a list of pairs.
Reading never imports, evaluates or unpickles: classes come from the `TypeTable` only, and
an object of a user's class is made by that class's own constructor.

Limits that users meet: only exact types are stored, so a subclass of ``str`` or ``dict``
is refused; a pydantic model is validated from its own values when it is stored, and is
refused if that does not give an equal one.
"""

from fastapi_taskflow.codec.encoder import encode
from fastapi_taskflow.codec.fixed import is_fixed, is_small
from fastapi_taskflow.codec.places import Callee
from fastapi_taskflow.codec.reader import decode, fingerprint
from fastapi_taskflow.codec.typetable import TypeTable
from fastapi_taskflow.codec.writer import MAX_DEPTH

__all__ = [
    "MAX_DEPTH",
    "Callee",
    "TypeTable",
    "decode",
    "encode",
    "fingerprint",
    "is_fixed",
    "is_small",
]
