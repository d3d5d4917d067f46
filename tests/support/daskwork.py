"""Functions for Dask workers to run."""

import logging
import os
import time
from contextvars import ContextVar
from pathlib import Path

from distributed import get_client, worker_client

from fastapi_taskflow import get_task_context, task_log

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="unset")


def meets(place: str, name: str) -> None:
    """Say who it is and that it begins once more, and wait until it may go on."""
    with (Path(place) / f"{name} began").open("a") as file:
        file.write(f"{os.getpid()}\n")
    while not (Path(place) / "open").exists():
        time.sleep(0.005)


def counts_starts(place: str, name: str) -> None:
    with (Path(place) / f"{name} began").open("a") as file:
        file.write(f"{os.getpid()}\n")


def looks(place: str, name: str) -> None:
    """Wait until it is asked to end, and say so."""
    counts_starts(place, name)
    context = get_task_context()
    while context is None or not context.cancelled:
        time.sleep(0.005)
    (Path(place) / f"{name} learned").touch()
    context.check_cancelled()


def says(place: str) -> None:
    task_log("by hand", level="warning")
    logging.getLogger("a.library").error("by %s", "logging")
    meets(place, "says")


def says_much(lines: int) -> None:
    for number in range(lines):
        task_log(f"line {number} {'x' * 500}")


def reports() -> None:
    context = get_task_context()
    if context is not None:
        context.progress(3, total=4)
    task_log(VARIABLE.get())


def own_pid() -> int:
    return os.getpid()


def adds(numbers: dict[str, list[int]], more: int) -> None:
    task_log(str(sum(numbers["of"]) + more))


def takes(value: object) -> None:
    task_log(str(value))


def gives(size: int) -> bytes:
    return b"x" * size


def asks_dask() -> object:
    """Leave a value on the cluster."""
    with worker_client() as client:
        client.publish_dataset(client.submit(pow, 2, 4), name="left there", override=True)
    task_log(str(get_client().get_dataset("left there").result()))
    return get_client().submit(pow, 2, 5)
