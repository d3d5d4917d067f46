"""A store in Redis: hashes of tasks, sorted sets of what is looked for, and a few scripts.

`rules` decide over what was loaded, and a script writes if that is as it was: see `unit`.
"""

from fastapi_taskflow.backends.rediskeys.backend import RedisStore
from fastapi_taskflow.backends.rediskeys.store import Store

__all__ = ["RedisStore", "Store"]
