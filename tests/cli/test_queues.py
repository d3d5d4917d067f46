import pytest


@pytest.fixture
def stored(place):
    return place.enqueue("fail", "text", queue="mail")


def test_queues_are_listed_with_their_numbers(place, stored):
    ended = place.run("queues", "list", "--json")

    assert ended.code == 0
    assert [(queue["name"], queue["pending"]) for queue in ended.json] == [
        ("default", 0),
        ("mail", 1),
    ]
    assert ended.json[1]["set"] == []


@pytest.mark.quick
def test_a_paused_queue_holds_its_tasks_until_it_is_resumed(place, stored):
    paused = place.run("queues", "pause", "mail")
    other = place.enqueue("add", 1, 2)
    place.worker()
    place.wait_for_state(other, "success")

    assert paused.out == "Queue mail is paused\n"
    assert place.record(stored).status.value == "pending"

    assert place.run("queues", "resume", "mail", "--json").json["paused"] is False
    place.wait_for_state(stored, "failed")


@pytest.mark.quick
def test_a_queue_that_drains_says_when_it_is_empty(place, stored):
    drains = place.run("queues", "drain", "mail")
    place.worker()
    place.wait_for_state(stored, "failed")
    listed = place.run("queues", "list").out.splitlines()
    document = place.run("queues", "list", "--json").json[1]
    opened = place.run("queues", "resume", "mail")

    assert drains.out == "Queue mail is draining\n"
    assert listed[2].split()[:2] == ["mail", "drained"]
    assert (document["draining"], document["drained"]) == (True, True)
    assert opened.out == "Queue mail is open\n"


@pytest.mark.quick
def test_limits_are_stored_and_taken_away(place, stored):
    place.run("queues", "set", "mail", "--concurrency", "3", "--max-size", "9")
    ended = place.run("queues", "set", "mail", "--max-size", "none", "--json")

    assert (ended.json["concurrency"], ended.json["max_size"]) == (3, None)
    assert ended.json["set"] == ["concurrency", "max_size"]
    table = place.run("queues", "list").out.splitlines()
    assert table[0].split()[-2:] == ["CONCURRENCY", "MAX-SIZE"]
    assert table[2].split()[-2:] == ["3", "none"]


def test_limits_over_all_instances_are_stored_too(place, stored):
    wrong = place.run("queues", "set", "mail", "--rate-limit", "fast")
    given = ("--global-concurrency", "3", "--rate-limit", "10/s")
    ended = place.run("queues", "set", "mail", *given, "--json")
    shown = place.run("queues", "set", "mail", "--rate-limit", "none")

    assert wrong.code == 2
    assert "'100/m'" in " ".join(wrong.err.split())
    assert (ended.json["global_concurrency"], ended.json["rate_limit"]) == (3, "10/s")
    assert shown.out == "Queue mail is open; global-concurrency 3, rate-limit none\n"


def test_a_queue_that_nobody_knows_is_refused_with_a_hint(place, stored):
    ended = place.run("queues", "pause", "mial")

    assert ended.code == 1
    assert "Did you mean 'mail'?" in ended.err
