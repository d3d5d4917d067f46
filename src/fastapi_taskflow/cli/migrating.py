"""``migrate``: bring the tables of a store to this release, before an app does."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.base.migration import Planned
from fastapi_taskflow.cli.output import Answer, give, plain
from fastapi_taskflow.cli.stores import JsonOption, PrefixOption, StoreOption, backend_of
from fastapi_taskflow.words.counting import plural

__all__ = ["migrate"]

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")]
SqlOption = Annotated[
    bool, typer.Option("--sql", help="Write the statements, for somebody else to run.")
]


def migrate(
    store: StoreOption,
    *,
    dry_run: DryRunOption = False,
    sql: SqlOption = False,
    json: JsonOption = False,
    table_prefix: PrefixOption = "taskflow_",
) -> None:
    """Make or change the tables of a store on a server, as an app does when it starts.

    One process does it, others wait. With --dry-run or --sql nothing is changed.
    """
    plan = asyncio.run(_done(backend_of(store, table_prefix), dry=dry_run or sql))
    if plan is None:
        raise typer.BadParameter(
            "The tables of this store are made and changed whenever it is opened.",
            param_hint="--store",
        )
    document = {"found": plan.found, "wanted": plan.wanted, "statements": list(plan.statements)}
    shown = [plain(f"{one};") for one in plan.statements] if sql else [plain(_told(plan, dry_run))]
    give(Answer(document=document, shown=[*shown]), as_json=json)


async def _done(backend: Backend, *, dry: bool) -> Planned | None:
    if backend.migration is None:
        return None
    return await (backend.migration.plan() if dry else backend.migration.run())


def _told(plan: Planned, dry_run: bool) -> str:
    if plan.found == plan.wanted:
        return f"The tables have version {plan.wanted}: nothing to do."
    made = "no tables yet" if plan.found is None else f"version {plan.found}"
    done = "would lead" if dry_run else "led"
    return (
        f"From {made} {plural(len(plan.statements), 'statement')} {done} to version {plan.wanted}."
    )
