"""Arguments to typed JSON and back.

Plain JSON values stand for themselves. Everything else is an object with the key ``$``
that names its kind; a user's own dict with such a key is written as a list of pairs.
Reading never imports, evaluates or unpickles: classes come from the `TypeTable` only, and
an object of a user's class is made by that class's own constructor.

Limits that users meet: only exact types are stored, so a subclass of ``str`` or ``dict``
is refused (one of ``datetime`` or ``date`` is stored as the date it is); a pydantic model
is validated from its own values when it is stored, and is refused if they do not pass.
"""

from fastapi_taskflow.rules.codec.encoder import encode
from fastapi_taskflow.rules.codec.fixed import as_stored, is_fixed, is_small
from fastapi_taskflow.rules.codec.reader import decode, fingerprint
from fastapi_taskflow.rules.codec.refusals import Callee
from fastapi_taskflow.rules.codec.typetable import Types, TypeTable
from fastapi_taskflow.rules.codec.writer import MAX_DEPTH

__all__ = [
    "MAX_DEPTH",
    "Callee",
    "TypeTable",
    "Types",
    "as_stored",
    "decode",
    "encode",
    "fingerprint",
    "is_fixed",
    "is_small",
]
