"""SIGTERM: what runs may end, what does not is told so, and the process is gone in time."""

import signal
import threading

import httpx2
import pytest

from trust.history import INTERRUPTED, PENDING, RUNNING, SUCCESS
from trust.instances import Instance
from trust.oracle import judge
from trust.site import Site

pytestmark = pytest.mark.crash

DRAIN = 1.0
# What an end takes at most, however busy the machine is.
REST = 60.0
# A drain that no test which passes waits for.
LONG = 600.0


def stop(site: Site, server: Instance, number: signal.Signals = signal.SIGTERM) -> None:
    site.told_to_stop(server)
    server.send(number)


class OpenStream:
    """A client that reads a response without end, until the server ends it."""

    def __init__(self, server: Instance) -> None:
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(server.url + "/stream",))
        self._thread.start()
        assert self._begun.wait(REST)

    def _read(self, url: str) -> None:
        try:
            with httpx2.stream("GET", url, timeout=REST) as answer:
                for _ in answer.iter_raw():
                    self._begun.set()
        except httpx2.TransportError:
            pass

    def ended(self) -> bool:
        self._thread.join(REST)
        return not self._thread.is_alive()


def test_with_a_lane_task_and_an_open_stream_it_ends_in_time_and_loses_nothing(
    site: Site,
) -> None:
    server = site.server(drain_timeout=DRAIN, graceful=1).start()
    stream = OpenStream(server)
    kinds = ("held", "held_threaded", "held_requeueable", "held_alone")
    tasks = {kind: site.post(server, kind)[0] for kind in kinds}
    for kind in kinds:
        server.wait_for(f"running {kind}")
    (waiting,) = site.post(server, "held_alone")

    stop(site, server)
    assert server.end(DRAIN + REST) >= DRAIN

    assert stream.ended()
    rows = site.rows()
    states = {kind: rows[task].state for kind, task in tasks.items()}
    assert states == {
        "held": INTERRUPTED,
        "held_threaded": INTERRUPTED,
        "held_requeueable": PENDING,
        "held_alone": INTERRUPTED,
    }
    assert rows[waiting].state == PENDING
    assert {(row.owner, row.interruptions, row.failures) for row in rows.values()} == {(None, 0, 0)}
    errors = site.ask("SELECT error FROM taskflow_tasks WHERE state = 4")
    assert {"its instance shut down" in error for (error,) in errors} == {True}
    assert site.ask("SELECT * FROM taskflow_instances") == []

    server.start().release()
    rows = site.wait_for_ends()
    assert rows[tasks["held_requeueable"]].state == rows[waiting].state == SUCCESS
    assert judge(site.history()) == []


def test_what_ends_within_the_drain_ends_well_and_nobody_waits_longer(site: Site) -> None:
    server = site.server(drain_timeout=REST).start()
    (task,) = site.post(server, "held")
    server.wait_for("running held")

    stop(site, server)
    server.wait_for("stopping held")
    server.release()
    server.end(REST)

    assert site.row(task).state == SUCCESS
    assert judge(site.history()) == []


def test_a_request_in_progress_can_still_leave_a_task_for_others(site: Site) -> None:
    server = site.server(drain_timeout=REST).start()
    (held,) = site.post(server, "held")
    server.wait_for("running held")
    answer = site.post_late(server, "plain")
    server.wait_for("running request")

    stop(site, server)
    server.wait_for("stopping held")
    server.release()
    server.end(REST)

    (late,) = answer.result()
    assert (site.row(held).state, site.row(late).state) == (SUCCESS, PENDING)
    server.start()
    assert site.wait_for_ends()[late].state == SUCCESS
    assert judge(site.history()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_is_the_deadline_now(site: Site, number: signal.Signals) -> None:
    server = site.server(drain_timeout=REST).start()
    tasks = [site.post(server, kind)[0] for kind in ("held", "held_requeueable")]
    server.wait_for("running held")
    server.wait_for("running held_requeueable")
    stop(site, server, number)
    server.wait_for("stopping held")
    assert [site.row(task).state for task in tasks] == [RUNNING, RUNNING]

    server.send(number)
    server.end(REST)

    assert [site.row(task).state for task in tasks] == [INTERRUPTED, PENDING]
    server.start().release()
    site.wait_for_ends()
    assert judge(site.history()) == []


def test_a_retry_that_is_not_due_keeps_nobody_waiting(site: Site) -> None:
    server = site.server(drain_timeout=REST).start(gate="after finish retry")
    (task,) = site.post(server, "fails_once")
    server.wait_for("after finish retry")

    stop(site, server)
    server.open_gate()
    server.end(REST)

    assert (site.row(task).state, site.row(task).failures) == (PENDING, 1)
    server.start()
    assert site.wait_for_ends()[task].state == SUCCESS
    assert judge(site.history()) == []


def test_before_its_first_request_it_ends_at_once(site: Site) -> None:
    server = site.server(drain_timeout=REST).start()

    server.terminate(REST)

    assert site.ask("SELECT * FROM taskflow_instances") == []
