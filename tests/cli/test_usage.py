"""What every command does with wrong words, and with a store that is not there."""

import sqlite3

import pytest

from fastapi_taskflow import __version__

LOOKS = [
    ("tasks", "list"),
    ("tasks", "show", "some-id"),
    ("queues", "list"),
    ("functions",),
    ("instances",),
    ("doctor",),
]
ACTS = [("tasks", "cancel", "some-id"), ("queues", "pause", "default")]


@pytest.mark.quick
def test_it_says_its_version(place):
    assert place.run("--version").out == f"fastapi-taskflow {__version__}\n"


@pytest.mark.parametrize("command", [(), ("tasks",), ("tasks", "list")], ids=" ".join)
def test_it_helps_with_a_short_option(place, command):
    helped = place.run(*command, "-h")

    assert (helped.code, helped.out.count("Usage:")) == (0, 1)


def test_a_path_that_is_no_file_of_a_store_is_one_line(place):
    (place.folder / "folder").mkdir()
    (place.folder / "text.db").write_text("this is no database, however long it is " * 99)

    for path in ("folder", "text.db", "main.py/tasks.db", "\N{SNOWMAN}" * 300):
        for command in (("tasks", "list"), ("queues", "pause", "default")):
            ended = place.run(*command, store=f"sqlite:///{path}")

            assert ended.code in (1, 2), (path, command)
            assert "Traceback" not in ended.err, (path, command, ended.err)


@pytest.mark.parametrize("command", [*LOOKS, *ACTS], ids=" ".join)
def test_a_store_that_is_not_there_is_not_made(place, command):
    ended = place.run(*command)

    assert ended.code == 1
    assert "There is no" in ended.err + ended.out
    assert [path.name for path in place.folder.iterdir()] == ["main.py"]


@pytest.mark.parametrize("command", [("tasks", "list"), ("queues", "pause", "default")])
def test_a_database_of_others_is_left_alone(place, command):
    connection = sqlite3.connect(place.folder / "tasks.db")
    connection.execute("CREATE TABLE theirs (id)")
    connection.commit()
    connection.close()

    ended = place.run(*command)

    assert ended.code == 1
    assert "without a task store in it" in ended.err
    connection = sqlite3.connect(place.folder / "tasks.db")
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    connection.close()


@pytest.mark.parametrize(
    "command", [("tasks", "list"), ("queues", "list"), ("functions",), ("doctor",)]
)
def test_looking_changes_nothing_and_needs_no_app(place, command):
    place.enqueue("add", 1, 2)
    (place.folder / "main.py").unlink()
    before = (place.folder / "tasks.db").read_bytes()

    ended = place.run(*command, "--json")

    assert ended.err == ""
    assert ended.json
    assert (place.folder / "tasks.db").read_bytes() == before


@pytest.mark.quick
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tasks", "list", "--status", "done"), "--status"),
        (("tasks", "list", "--since", "soon"), "--since"),
        (("tasks", "list", "--limit", "0"), "--limit"),
        (("tasks", "list", "--cursor", "nix"), "--cursor"),
        (("tasks", "list", "--tag", "nix"), "--tag"),
        (("queues", "set", "default", "--concurrency", "two"), "--concurrency"),
        (("queues", "set", "default"), "--max-size"),
        (("tasks", "list", "--store", "oracle://user:secret@host"), "--store"),
        (("nonsense",), "nonsense"),
    ],
)
def test_wrong_usage_ends_with_2_and_names_the_option(place, arguments, words):
    place.enqueue("add", 1, 2)

    ended = place.run(*arguments)

    assert ended.code == 2
    assert words in ended.err
    assert "secret" not in ended.err
    assert ended.out == ""


@pytest.mark.parametrize(
    "command",
    [
        ("tasks", "list", "--status", "done"),
        ("tasks", "purge", "--older-than", "soon", "--yes"),
        ("queues", "set", "default", "--concurrency", "two"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_before_a_store_is_looked_for(place, command):
    assert place.run(*command).code == 2


def test_a_store_may_be_named_by_its_path(place):
    task = place.enqueue("add", 1, 2)

    for name in ("tasks.db", str(place.folder / "tasks.db"), "./tasks.db"):
        assert task in place.run("tasks", "list", store=name).out


def test_without_a_store_the_way_to_name_one_is_told(place):
    ended = place.run("tasks", "list", store=None)

    assert ended.code == 2
    assert "TASKFLOW_STORE" in ended.err
