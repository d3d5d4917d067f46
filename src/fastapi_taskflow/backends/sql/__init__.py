"""Storage in a SQL database, through SQLAlchemy Core."""

from fastapi_taskflow.backends.sql.backend import SqlBackend
from fastapi_taskflow.backends.sql.dialects.mysql import MySQL
from fastapi_taskflow.backends.sql.dialects.postgres import Postgres

__all__ = ["MySQL", "Postgres", "SqlBackend"]
