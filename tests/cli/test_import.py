"""``import`` takes over what the older package left in a SQLite file."""

import pytest

from tests.compat.older import OlderStore

PICKLE = "gAAAAABnot-to-be-opened"
NOTHING = {"ended": 0, "waiting": 0, "held_keys": 0, "known": 0, "refused": 0, "refusals": []}


@pytest.fixture
def older(place):
    return OlderStore(place.folder / "tasks.db")


@pytest.mark.quick
def test_it_takes_all_over_once_and_says_so(place, older):
    older.key("k", older.ended("add", 1, 2))
    waiting = older.waiting("add", 3, 4)
    found = {"ended": 1, "waiting": 1, "held_keys": 1, "schedules": 0}
    before = older.content()

    first = place.run("import", "--json")
    second = place.run("import", "--json")

    taken = {"ended": 1, "waiting": 1, "held_keys": 1}
    assert (first.code, first.json) == (
        0,
        {"found": found, **NOTHING, **taken, "earlier": False},
    )
    assert (second.code, second.json) == (0, {"found": found, **NOTHING, "earlier": True})
    assert (first.err, older.content()) == ("", before)
    place.worker()
    place.wait_for_state(waiting, "success")


def test_what_is_left_is_listed_and_ends_with_1(place, older):
    left = older.waiting("add", encrypted_payload=PICKLE)
    older.waiting("add", 1, 2)

    done = place.run("import")

    assert done.code == 1
    assert "Taken over: 0 records of ended tasks, 1 waiting task, 0 idempotency keys" in done.out
    assert "Not taken over: 1 task" in done.out
    (row,) = [line for line in done.out.splitlines() if line.startswith(left)]
    assert row.split()[1] == "add"
    assert row.endswith("its arguments are encrypted pickles, which are never opened")


@pytest.mark.parametrize(
    "columns", [{"args_json": '"ab"'}, {"args_json": '{"a": 1}'}, {"kwargs_json": '[["a", 1]]'}]
)
def test_arguments_of_another_shape_are_not_made_into_some(place, older, columns):
    left = older.waiting("add", **columns)

    done = place.run("import", "--json")

    assert (done.code, done.json["waiting"]) == (1, 0)
    assert [one["task_id"] for one in done.json["refusals"]] == [left]


def test_what_is_listed_is_cut(place, older):
    older.ended("f" * 100_000, task_id="i" * 100_000)

    done = place.run("import", "--json")

    (one,) = done.json["refusals"]
    assert (one["task_id"], one["func_name"]) == ("i" * 64, "f" * 200)


def test_a_row_without_an_id_hides_no_other(place, older):
    older.ended("add", task_id=None)
    older.waiting("add", 1, 2)
    older.waiting("add", 3, 4, task_id=None)
    older.key("lone", "an-id-that-no-record-has")

    done = place.run("import", "--json")

    assert done.code == 1
    assert (done.json["waiting"], done.json["held_keys"], done.json["refused"]) == (1, 1, 2)


def test_a_dry_run_says_the_same_and_writes_nothing(place, older):
    older.waiting("add", encrypted_payload=PICKLE)
    older.waiting("add", 1, 2)
    tables = older.tables()

    done = place.run("import", "--dry-run")

    assert done.code == 1
    assert "Would take over: 0 records of ended tasks, 1 waiting task" in done.out
    assert older.tables() == tables


def test_a_file_beside_the_store_goes_into_the_apps_own(place):
    OlderStore(place.folder / "old file.db").ended("add", 1, 2)

    done = place.run("import", "--from", "old file.db", "--app", "main:app", store=None)
    listed = place.run("tasks", "list", "--json")

    assert done.code == 0
    assert [task["func_name"] for task in listed.json["tasks"]] == ["add"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--from", "nothing.db"], "There is no file"),
        (["--from", "main.py"], "main.py"),
        (["--app", "main:app"], "holds no store of the older fastapi-taskflow"),
    ],
)
def test_without_an_older_store_nothing_is_made(place, arguments, complaint):
    store = None if "--app" in arguments else "sqlite:///tasks.db"
    if store is None:
        place.enqueue("add", 1, 2)

    done = place.run("import", *arguments, store=store)

    assert done.code == 1
    assert done.err.startswith("error:")
    assert complaint in done.err
    assert (place.folder / "tasks.db").exists() is (store is None)


def test_a_store_must_be_named(place):
    done = place.run("import", store=None)

    assert done.code == 2
    assert "--store" in done.err


def test_looking_at_a_file_with_an_older_store_only_names_the_command(place, older):
    older.ended()
    tables = older.tables()

    looked = place.run("tasks", "list")
    examined = place.run("doctor", "--json")

    path = place.folder / "tasks.db"
    command = f"fastapi-taskflow import --store sqlite:///{path}"
    assert (looked.code, command in looked.err) == (1, True)
    assert command in str(examined.json["findings"])
    assert older.tables() == tables


def test_the_doctor_tells_of_it_until_it_is_taken_over(place, older):
    older.ended()
    place.enqueue("add", 1, 2)

    before = place.run("doctor", "--json")
    place.run("import")
    after = place.run("doctor", "--json")

    (finding,) = [one for one in before.json["findings"] if one["check"] == "older"]
    assert (finding["level"], "ended tasks: 1" in finding["detail"]) == ("warning", True)
    assert not [one for one in after.json["findings"] if one["check"] == "older"]
