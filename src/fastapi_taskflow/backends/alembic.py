"""For projects whose own tables Alembic changes, in the database that the tasks are in too."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi_taskflow.backends.extras import driver

__all__ = ["leaving_tasks_alone"]


def leaving_tasks_alone(
    table_prefix: str = "taskflow_",
) -> Callable[[str | None, str, Mapping[str, str | None]], bool]:
    """What ``context.configure(include_name=...)`` takes in Alembic's ``env.py``.

    ``alembic revision --autogenerate`` then sees none of the tables of tasks, and so drops none.
    They are changed by the library itself.

    >>> include_name = leaving_tasks_alone()
    >>> include_name("taskflow_tasks", "table", {}), include_name("orders", "table", {})
    (False, True)

    Args:
        table_prefix: As the `TaskManager` has it.

    Raises:
        ImportError: SQLAlchemy is not installed.
    """
    tables = driver("sql.tables", extra="postgres", needs="sqlalchemy")
    prefix = table_prefix.lower()
    ours = {name.replace(tables.PREFIX, prefix) for name in tables.metadata.tables}

    def include_name(name: str | None, kind: str, _: Mapping[str, str | None]) -> bool:
        return kind != "table" or name not in ours

    return include_name
