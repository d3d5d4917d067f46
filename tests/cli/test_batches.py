import signal

import pytest


@pytest.mark.quick
def test_what_failed_of_a_batch_is_retried_once_in_its_place(place):
    batch_id, task_ids = place.batch("one", "two")
    worker = place.worker()
    for task_id in task_ids:
        place.wait_for_state(task_id, "failed")
    worker.send(signal.SIGTERM)
    worker.ended()

    failed = place.run("batches", "show", batch_id, "--json").json
    ended = place.run("batches", "retry", batch_id, "--json", store=None)
    open_again = place.run("batches", "show", batch_id, "--json").json
    again = place.run("batches", "retry", batch_id, store=None)

    assert (failed["failed"], failed["done"]) == (2, True)
    assert ended.code == 0
    results = ended.json["results"]
    assert {one["original_task_id"] for one in results} == set(task_ids)
    assert {place.record(one["new_task_id"]).batch_id for one in results} == {batch_id}
    assert (open_again["pending"], open_again["failed"], open_again["done"]) == (2, 0, False)
    assert (again.code, again.out) == (0, "Nothing to retry.\n")


def test_a_batch_that_is_not_there_is_told(place):
    place.batch("one")

    ended = place.run("batches", "retry", "nobody", store=None)

    assert ended.code == 1
    assert "No batch has the id" in ended.err
