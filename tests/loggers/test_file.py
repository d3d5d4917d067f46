import asyncio
import os
import resource
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fastapi_taskflow.exceptions import ConfigurationError
from fastapi_taskflow.loggers import FileLogger, StdoutLogger

posix_only = pytest.mark.skipif(os.name != "posix", reason="file modes and links of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.log"


def messages(path: Path) -> list[str]:
    return [line.split(" ", 3)[3] for line in path.read_text().splitlines()]


async def test_lines_are_appended_by_one_logger_after_another(path, said):
    for message in ("first", "second"):
        logger = FileLogger(path)
        await logger.startup()
        await logger.on_log(said(message))
        await logger.close()

    assert messages(path) == ["first", "second"]


async def test_a_line_is_on_file_when_the_call_returns(path, said):
    logger = FileLogger(path)

    await logger.on_events([said("one"), said("two")])

    assert messages(path) == ["one", "two"]
    await logger.close()


async def test_lifecycle_is_written_on_request_only(path, said, became):
    silent, talkative = FileLogger(path), FileLogger(path, log_lifecycle=True)

    await silent.on_events([became()])
    await talkative.on_events([became()])

    assert messages(path) == ["-- SUCCESS"]
    await silent.close()
    await talkative.close()


async def test_log_events_below_the_level_are_left_out(path, said):
    logger = FileLogger(path, min_level="warning")

    await logger.on_events([said("no", "info"), said("yes", "warning")])

    assert messages(path) == ["yes"]
    await logger.close()


async def test_a_logger_writes_again_after_close(path, said):
    logger = FileLogger(path)
    await logger.on_log(said("before"))
    await logger.close()
    await logger.close()

    await logger.on_log(said("after"))

    assert messages(path) == ["before", "after"]
    await logger.close()


async def test_text_that_is_not_unicode_is_written_escaped(path, said):
    logger = FileLogger(path)

    await logger.on_log(said("\udcff"))

    assert messages(path) == ["\\udcff"]
    await logger.close()


async def test_a_relative_path_means_the_folder_of_the_start(tmp_path, monkeypatch, said):
    monkeypatch.chdir(tmp_path)
    logger = FileLogger("tasks.log")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    await logger.on_log(said("here"))

    assert messages(tmp_path / "tasks.log") == ["here"]
    await logger.close()


@posix_only
async def test_only_the_owner_may_read_a_new_file(path, said):
    logger = FileLogger(path)
    await logger.startup()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await logger.close()


@posix_only
async def test_a_new_file_has_the_rights_that_were_asked_for_whatever_the_umask(path, said):
    logger = FileLogger(path, 200, 3, file_mode=0o640)
    before = os.umask(0o077)
    try:
        for _ in range(9):
            await logger.on_log(said())
    finally:
        os.umask(before)
    await logger.close()

    files = list(path.parent.iterdir())
    assert len(files) > 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o640}


@posix_only
async def test_a_file_that_exists_keeps_its_rights(path, said):
    path.touch(0o644)
    path.chmod(0o644)
    logger = FileLogger(path, file_mode=0o600)

    await logger.on_log(said())

    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    await logger.close()


async def test_the_first_event_creates_the_file_also_one_that_is_left_out(path, became):
    logger = FileLogger(path)
    assert not path.exists()

    await logger.on_lifecycle(became())

    assert path.read_text() == ""
    await logger.close()


@posix_only
async def test_a_planted_link_is_refused(tmp_path, path):
    target = tmp_path / "precious"
    target.write_text("data\n")
    path.symlink_to(target)
    logger = FileLogger(path)

    with pytest.raises(ConfigurationError, match=r"tasks\.log"):
        await logger.startup()

    assert target.read_text() == "data\n"
    await logger.close()


@posix_only
async def test_a_pipe_is_refused_and_never_waited_for(path):
    os.mkfifo(path)
    logger = FileLogger(path)

    with pytest.raises(ConfigurationError):
        await logger.startup()
    await logger.close()


async def test_a_missing_folder_is_reported_at_the_start(tmp_path):
    logger = FileLogger(tmp_path / "nowhere" / "tasks.log")

    with pytest.raises(ConfigurationError, match="nowhere"):
        await logger.startup()
    await logger.close()


async def test_a_failed_write_raises_and_the_next_one_works(tmp_path, said):
    folder = tmp_path / "volume"
    logger = FileLogger(folder / "tasks.log")

    with pytest.raises(OSError, match="volume"):
        await logger.on_log(said("lost"))
    folder.mkdir()
    await logger.on_log(said("kept"))

    assert messages(folder / "tasks.log") == ["kept"]
    await logger.close()


@pytest.fixture
def room():
    """Sets how many bytes a file may have; a write beyond them is cut short, then fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size or soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_line_after_one_that_was_cut_short_stands_on_its_own(path, said, room):
    logger = FileLogger(path)
    await logger.on_log(said("one"))

    room(path.stat().st_size + 10)
    with pytest.raises(OSError, match="large"):
        await logger.on_log(said("two"))
    room(None)
    for message in ("three", "four"):
        await logger.on_log(said(message))
    await logger.close()

    assert [line.rsplit(" ", 1)[-1] for line in path.read_text().splitlines()[2:]] == [
        "three",
        "four",
    ]
    assert len(path.read_text().splitlines()) == 4


async def test_rotation_keeps_every_line_in_order_and_every_file_small(tmp_path, path, said):
    logger = FileLogger(path, max_bytes=1000, backup_count=50)

    for start in range(0, 200, 20):
        await logger.on_events([said(str(n)) for n in range(start, start + 20)])
    await logger.close()

    files = sorted(tmp_path.iterdir(), key=lambda f: int(f.suffix[1:]) if f != path else 0)
    assert len(files) > 5
    assert all(f.stat().st_size <= 1000 for f in files)
    assert [m for f in reversed(files) for m in messages(f)] == [str(n) for n in range(200)]


async def test_rotation_forgets_the_oldest_file(tmp_path, path, said):
    logger = FileLogger(path, max_bytes=100, backup_count=2)

    for n in range(20):
        await logger.on_log(said(str(n)))
    await logger.close()

    assert sorted(f.name for f in tmp_path.iterdir()) == ["tasks.log", "tasks.log.1", "tasks.log.2"]
    assert messages(path)[-1] == "19"


async def test_a_line_longer_than_a_file_is_written_whole(tmp_path, path, said):
    logger = FileLogger(path, max_bytes=100, backup_count=2)

    await logger.on_events([said("x" * 500), said("next")])
    await logger.close()

    assert messages(path.with_name("tasks.log.1")) == ["x" * 500]
    assert messages(path) == ["next"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("settings", [{"max_bytes": 0}, {"backup_count": 0}, {"mode": "watched"}])
async def test_without_a_limit_nothing_is_rotated(tmp_path, path, said, settings):
    logger = FileLogger(path, **{"max_bytes": 100, **settings})

    await logger.on_events([said(str(n)) for n in range(50)])
    await logger.close()

    assert list(tmp_path.iterdir()) == [path]
    assert len(messages(path)) == 50


@posix_only
@pytest.mark.parametrize("mode", ["rotate", "watched"])
async def test_a_file_moved_away_is_begun_anew(path, said, mode):
    logger = FileLogger(path, mode=mode)
    await logger.on_log(said("old"))

    path.rename(path.with_name("archived"))
    await logger.on_log(said("new"))
    await logger.close()

    assert messages(path.with_name("archived")) == ["old"]
    assert messages(path) == ["new"]


WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from fastapi_taskflow.loggers import FileLogger, LogEvent

async def main(path, name):
    logger = FileLogger(path, max_bytes=2000, backup_count=500)
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(200):
        await logger.on_log(LogEvent("0" * 36, "f", f"{name}-{n}", "info", datetime.now(UTC), 0))
    await logger.close()

asyncio.run(main(*sys.argv[1:]))
"""


@posix_only
def test_processes_that_share_a_file_lose_no_line_and_tear_none(tmp_path, path):
    command = [sys.executable, "-c", WRITER, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([*command, name], **pipes) for name in "abc"]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"

    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)

    assert [writer.returncode for writer in writers] == [0, 0, 0]
    written = sorted(m for file in tmp_path.iterdir() for m in messages(file))
    assert written == sorted(f"{name}-{n}" for name in "abc" for n in range(200))


class Stuck:
    """A standard output whose reader has stopped."""

    encoding = "utf-8"

    def __init__(self):
        self.reached = threading.Event()
        self.reader = threading.Event()
        self.text = ""

    def write(self, text: str) -> None:
        self.reached.set()
        self.reader.wait(60)
        self.text += text

    def flush(self) -> None:
        pass


async def test_a_write_that_blocks_does_not_block_the_event_loop(monkeypatch, said):
    stdout = Stuck()
    monkeypatch.setattr(sys, "stdout", stdout)
    logger = StdoutLogger()

    writing = asyncio.create_task(logger.on_log(said()))
    await asyncio.to_thread(stdout.reached.wait, 60)

    assert not writing.done()
    stdout.reader.set()
    await writing
    assert stdout.text.endswith("hello\n")
    await logger.close()


EXIT = """
import asyncio, sys, threading
from datetime import UTC, datetime
from fastapi_taskflow.loggers import LogEvent, StdoutLogger

class Stuck:
    encoding = "utf-8"
    def write(self, text):
        reached.set()
        threading.Event().wait()

async def main():
    event = LogEvent("0" * 36, "f", "m", "info", datetime.now(UTC), 0)
    writing = asyncio.create_task(StdoutLogger().on_log(event))
    while not reached.is_set():
        await asyncio.sleep(0)

reached = threading.Event()
sys.stdout = Stuck()
asyncio.run(main())
sys.stdout = None
"""


def test_a_write_that_never_ends_does_not_keep_the_process_from_ending():
    done = subprocess.run([sys.executable, "-c", EXIT], check=False, timeout=60)

    assert done.returncode == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "rotating"}, "'rotate' or 'watched', got 'rotating'"),
        ({"max_bytes": -1}, "max_bytes takes a whole number from 0"),
        ({"backup_count": -1}, "backup_count takes a whole number from 0"),
        ({"max_bytes": 1.5}, "max_bytes takes a whole number"),
        ({"backup_count": True}, "backup_count takes a whole number"),
        ({"log_lifecycle": "false"}, "log_lifecycle takes True or False"),
        ({"file_mode": "640"}, "such as 0o640, got '640'"),
        ({"file_mode": 0o440}, "its owner can write"),
    ],
)
def test_wrong_settings_are_refused_where_they_are_written(path, settings, message):
    with pytest.raises(ConfigurationError, match=message):
        FileLogger(path, **settings)
