"""The program: its commands, its options, and how it ends.

Exit codes: 0, done; 1, refused, not found, or problems found; 2, wrong usage.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from fastapi_taskflow._version import __version__
from fastapi_taskflow.cli.batches import app as batches
from fastapi_taskflow.cli.bulk import app as bulk
from fastapi_taskflow.cli.demo import demo
from fastapi_taskflow.cli.doctor import doctor
from fastapi_taskflow.cli.failures import app as failures
from fastapi_taskflow.cli.fleet import functions, instances
from fastapi_taskflow.cli.hashing import hash_password
from fastapi_taskflow.cli.importing import import_store
from fastapi_taskflow.cli.migrating import migrate
from fastapi_taskflow.cli.output import plain
from fastapi_taskflow.cli.pauses import app as pauses
from fastapi_taskflow.cli.queues import app as queues
from fastapi_taskflow.cli.rotating import rotate
from fastapi_taskflow.cli.schedules import app as schedules
from fastapi_taskflow.cli.tasks import app as tasks
from fastapi_taskflow.cli.worker import worker
from fastapi_taskflow.words.errors import TaskflowError

__all__ = ["app", "main"]

app = typer.Typer(
    name="fastapi-taskflow",
    help="Background tasks for FastAPI: work on them, look at them, act on them.",
    epilog="Exit codes: 0, done; 1, refused, not found, or a problem was found; 2, wrong usage.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Paragraphs of docstrings are wrapped to the terminal.
    rich_markup_mode="markdown",
    add_completion=False,
    # A defect shows its plain trace; errors on purpose are one line, see `main`.
    pretty_exceptions_enable=False,
)
app.command("worker")(worker)
app.add_typer(tasks, name="tasks")
app.add_typer(failures, name="failures")
app.add_typer(bulk, name="bulk")
app.add_typer(pauses, name="pauses")
app.add_typer(queues, name="queues")
app.add_typer(schedules, name="schedules")
app.add_typer(batches, name="batches")
app.command("functions")(functions)
app.command("instances")(instances)
app.command("doctor")(doctor)
app.command("migrate")(migrate)
app.command("rotate-keys")(rotate)
app.command("import")(import_store)
app.command("hash-password")(hash_password)
app.command("demo")(demo)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"fastapi-taskflow {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command in ``sys.argv`` and exit."""
    try:
        app()
    except TaskflowError as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(plain("error:", "bold red"), plain(error))
        sys.exit(1)
