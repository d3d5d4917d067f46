"""``python -m fastapi_taskflow`` is the command ``fastapi-taskflow``."""

from fastapi_taskflow.cli import main

main()
