"""The app under test, made when it is imported: for programs that are given its name."""

from __future__ import annotations

import json
import os

from trust.app import Announcer, Config, build
from trust.instances import VARIABLE

__all__ = ["app"]

_config = Config(**json.loads(os.environ[VARIABLE]))
app = build(_config, Announcer(_config.notify))
