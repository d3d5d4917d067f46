"""Files are deleted, moved and replaced at random under two processes that write all the time.

What was answered with a commit must be there in the end; what was refused need not be.
"""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

WRITER = """
import asyncio, sys
from fastapi_taskflow import StoreUnavailable
from fastapi_taskflow.backends.sqlite import SqliteBackend
from fastapi_taskflow.testing.conformance.harness import accept, beat, instance, task

async def write(backend, name):
    number = 0
    while True:
        number += 1
        try:
            await accept(backend, task(f"{name}-{number}"))
        except StoreUnavailable:
            await asyncio.sleep(0.01)
        else:
            # In one system call, so that a kill leaves whole lines only.
            sys.stdout.write(f"{name}-{number}\\n")
            sys.stdout.flush()

async def look(backend):
    while True:
        for read in (backend.tally(), beat(backend, "x")):
            try:
                await read
            except StoreUnavailable:
                pass
        await asyncio.sleep(0.005)

async def main():
    backend = SqliteBackend(sys.argv[1])
    await backend.open(lambda: None)
    names = [f"{sys.argv[2]}-{number}" for number in range(3)]
    await asyncio.gather(*[write(backend, name) for name in names], look(backend))

asyncio.run(main())
"""
ROUNDS = 12


class Attacker:
    """Somebody with a shell and no idea."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path, self._chance = path, random.Random(seed)  # noqa: S311
        self._count = 0

    def attack(self) -> None:
        left = Path(f"{self._path}{self._chance.choice(['-wal', '-shm'])}")
        act = self._chance.choice([self.delete, self.move, self.copy, self.replace, self.take_away])
        with suppress(FileNotFoundError):
            act(left)

    def delete(self, left: Path) -> None:
        left.unlink()

    def move(self, left: Path) -> None:
        self._count += 1
        left.rename(f"{left}.{self._count}")

    def copy(self, left: Path) -> None:
        shutil.copy(left, f"{left}.copy")

    def replace(self, left: Path) -> None:
        """By what it was some time ago."""
        Path(f"{left}.copy").rename(left)

    def take_away(self, _left: Path) -> None:
        away = self._path.rename(f"{self._path}.away")
        time.sleep(self._chance.choice([0.0, 0.01, 0.1]))
        away.rename(self._path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_what_was_accepted_outlives_whatever_becomes_of_the_log(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "tasks.db"
    outputs = [tmp_path / "one", tmp_path / "two"]
    writers = []
    for output in outputs:
        with output.open("w") as file:
            command = [sys.executable, "-c", WRITER, str(path), output.name]
            writers.append(subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE))

    def written() -> list[int]:
        return [output.read_text().count("\n") for output in outputs]

    def wait_for_both() -> None:
        before = written()
        deadline = time.monotonic() + 60
        while not all(now > then for now, then in zip(written(), before, strict=True)):
            assert [writer.poll() for writer in writers] == [None, None], writers[0].stderr
            assert time.monotonic() < deadline, "the store does not come back"
            time.sleep(0.01)

    attacker = Attacker(path, seed)
    wait_for_both()
    for number in range(ROUNDS):
        attacker.attack()
        if number % 3 == 2:
            wait_for_both()
    wait_for_both()
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()

    accepted = {line for output in outputs for line in output.read_text().splitlines()}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check(5)").fetchall() == [("ok",)]
        stored = {row[0] for row in connection.execute("SELECT id FROM taskflow_tasks")}
    assert accepted - stored == set()
