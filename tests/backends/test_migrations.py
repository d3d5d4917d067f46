"""Tables of stores on servers: made, changed, told of."""

import asyncio
import json
import os
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from fastapi_taskflow import Backend, ConfigurationError
from fastapi_taskflow.backends.alembic import leaving_tasks_alone
from fastapi_taskflow.backends.base import Level
from fastapi_taskflow.testing.conformance.harness import (
    A,
    accept,
    claim,
    ids,
    ignore,
    instance,
    task,
)
from tests.support.commands import run_command
from tests.support.databases import KINDS, TestDatabase, database

pytestmark = pytest.mark.slow


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    with database(request.param) as made:
        yield made


def backend_on(server: TestDatabase) -> Backend:
    return KINDS[sa.make_url(server.url).drivername](server.url)


def run(coroutine):
    return asyncio.run(coroutine)


async def with_a_task(server: TestDatabase) -> str:
    store, new = backend_on(server), task()
    await store.open(ignore)
    await store.enlist(instance(A))
    await accept(store, new)
    await store.close()
    return new.task_id


async def claimed(server: TestDatabase) -> list[str]:
    store = backend_on(server)
    await store.open(ignore)
    found = ids(await claim(store))
    await store.close()
    return found


def make_older(server: TestDatabase) -> None:
    """As an earlier release may have left it: without a table, columns and an index."""
    server.run("DROP TABLE taskflow_gates")
    server.run("ALTER TABLE taskflow_tasks DROP COLUMN progress")
    server.run("ALTER TABLE taskflow_tasks DROP COLUMN cancel_asked")
    for table in ("deltas", "sums"):
        server.run(f"ALTER TABLE taskflow_{table} DROP COLUMN waited")
    where = " ON taskflow_tags" if server.url.startswith("mysql") else ""
    server.run(f"DROP INDEX taskflow_tags_value{where}")
    server.run("UPDATE taskflow_facts SET value = 1 WHERE name = 'version'")


def schema_of(server: TestDatabase) -> tuple[Level, str]:
    found = {one.check: one for one in backend_on(server).examine()}
    return found["schema"].level, found["schema"].detail


def test_an_older_store_is_brought_forward_with_its_tasks(server):
    task_id = run(with_a_task(server))
    make_older(server)

    assert schema_of(server)[0] is Level.WARNING
    assert run(claimed(server)) == [task_id]

    assert schema_of(server)[0] is Level.OK


def test_a_newer_store_is_left_alone(server):
    run(with_a_task(server))
    server.run("UPDATE taskflow_facts SET value = 99 WHERE name = 'version'")

    with pytest.raises(ConfigurationError, match="99"):
        run(claimed(server))
    assert schema_of(server)[0] is Level.PROBLEM


def test_what_somebody_removed_is_told_of(server):
    run(with_a_task(server))
    server.run("ALTER TABLE taskflow_tasks DROP COLUMN progress")

    level, detail = schema_of(server)

    assert (level, "incomplete" in detail) == (Level.PROBLEM, True)


def test_an_index_that_somebody_removed_is_told_of_with_the_statement(server):
    run(with_a_task(server))
    where = " ON taskflow_tasks" if server.url.startswith("mysql") else ""
    server.run(f"DROP INDEX taskflow_tasks_end{where}")

    (found,) = [one for one in backend_on(server).examine() if one.check == "schema"]

    assert found.level is Level.PROBLEM
    assert "CREATE INDEX taskflow_tasks_end ON" in str(found.mend)
    # An instance asks that each minute: it does not look at each table.
    (brief,) = [one for one in run(backend_on(server).vitals()) if one.check == "schema"]
    assert brief.level is Level.OK


def test_the_command_plans_and_migrates(server, tmp_path):
    def migrate(*options: str) -> str:
        done = run_command(["migrate", "--store", server.url, *options], tmp_path, os.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(*options: str) -> dict[str, object]:
        found = json.loads(migrate("--json", *options))
        assert isinstance(found, dict)
        return found

    planned = ask("--dry-run")
    assert (planned["found"], server.tables()) == (None, [])

    for statement in migrate("--sql").split(";\n"):
        if statement.strip():
            server.run(statement)
    again = ask()

    assert again == {"found": planned["wanted"], "wanted": planned["wanted"], "statements": []}
    assert schema_of(server)[0] is Level.OK


def test_alembic_sees_the_users_tables_alone():
    include_name = leaving_tasks_alone("App_")

    assert not include_name("app_tasks", "table", {"schema_name": None})
    assert include_name("app_orders", "table", {"schema_name": None})
    assert include_name("app_tasks", "column", {"table_name": "orders"})
