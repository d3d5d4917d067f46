"""``demo``: a small shop with customers of its own, to look at."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.console import RenderableType

from fastapi_taskflow.cli.discovery import load_app, managers_of
from fastapi_taskflow.cli.output import facts, plain, show, write_json
from fastapi_taskflow.loggers.stdout import StdoutLogger
from fastapi_taskflow.words.errors import ConfigurationError

__all__ = ["demo"]

_FIRST_PORT, _PORTS = 8000, 100
_PAGES = {"app": "/docs", "tasks": "/tasks", "dashboard": "/tasks/dashboard"}


def demo(
    *,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Port on 127.0.0.1; 0: any; else 8000 or the next free one.",
            show_default=False,
        ),
    ] = None,
    db: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep the tasks in this SQLite file, not in a temporary one.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the temporary files there at the end.")
    ] = False,
    traffic: Annotated[
        bool, typer.Option("--traffic/--no-traffic", help="Let customers come, or stay away.")
    ] = True,
    json: Annotated[
        bool, typer.Option("--json", help="Write the addresses as JSON, and nothing else.")
    ] = False,
) -> None:
    """Open a small shop with customers of its own: an app, its tasks, the dashboard.

    Customers order, pay and sign up over HTTP. Mails and payments fail now and then and are
    retried. It serves this machine only, until Ctrl+C or SIGTERM, and ends with exit code 0.
    With --db it may also be killed: opened again on the same file it goes on where it was.
    It needs uvicorn.
    """
    serving = _serving()
    listener = _listener(serving, port)
    folder = None if db else Path(tempfile.mkdtemp(prefix="fastapi-taskflow-demo-"))
    place = db.resolve() if db else Path(folder or ".", "shop.db")
    with listener:
        ended_well = _open(serving, listener, place, traffic=traffic, as_json=json)
    if not ended_well:
        raise ConfigurationError(f"The shop could not open; why is in {place.with_suffix('.log')}.")
    if folder is not None and not keep:
        shutil.rmtree(folder, ignore_errors=True)
    elif not json:
        show(plain(f"The tasks are kept in {place}"))


def _serving() -> ModuleType:
    try:
        from fastapi_taskflow.demo import serving  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        if exc.name != "uvicorn":
            raise
        raise ConfigurationError(
            "The demo is an app and needs a server: pip install uvicorn, or "
            "'fastapi-taskflow[demo]', or 'fastapi[standard]'."
        ) from exc
    return serving


def _listener(serving: ModuleType, port: int | None) -> socket.socket:
    ports = (port,) if port is not None else range(_FIRST_PORT, _FIRST_PORT + _PORTS)
    refused: OSError | None = None
    for candidate in ports:
        try:
            listener: socket.socket = serving.bound(candidate)
        except OSError as exc:
            refused = exc
        else:
            return listener
    raise ConfigurationError(
        f"Port {ports[-1]} is taken: {refused}. Give --port 0 for any."
    ) from refused


def _open(
    serving: ModuleType, listener: socket.socket, place: Path, *, traffic: bool, as_json: bool
) -> bool:
    log = place.with_suffix(".log")
    logging.basicConfig(
        filename=log,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    # The manager is made when its module is imported.
    os.environ["TASKFLOW_DEMO_DB"] = str(place)
    name, app = load_app("fastapi_taskflow.demo.app:app")
    url = f"http://{serving.HOST}:{listener.getsockname()[1]}"
    if traffic:
        app.state.traffic_url = url
    if not as_json:
        for task_manager in managers_of(app, name):
            task_manager.runtime.observe(StdoutLogger())

    def on_ready() -> None:
        if as_json:
            write_json({name: url + path for name, path in _PAGES.items()} | {"db": str(place)})
        else:
            show(*_greeting(url, place, log))
        sys.stdout.flush()

    def on_stop() -> None:
        if not as_json:
            show("Closing; running tasks may end.")
            sys.stdout.flush()

    ended_well: bool = serving.serve(app, listener, on_ready=on_ready, on_stop=on_stop)
    return ended_well


def _greeting(url: str, place: Path, log: Path) -> list[RenderableType]:
    return [
        "",
        "The shop is open, until Ctrl+C.",
        "",
        facts([(f"  {name}", url + path) for name, path in _PAGES.items()]),
        "",
        plain(f"Its tasks are in {place}, Python's log is in {log}."),
        plain(f"Look from outside too: fastapi-taskflow tasks list --store sqlite:///{place}"),
        "What tasks say:",
        "",
    ]
