"""A process that stood still too long is dead to the others; what it then says is late."""

import pytest

from trust.history import INTERRUPTED, SUCCESS
from trust.oracle import judge
from trust.site import Site, eventually

pytestmark = pytest.mark.crash

TTL = 1.0
LONG_TTL = 30.0
HEARTBEAT = 0.2


def test_a_frozen_instance_is_recovered_and_its_late_outcomes_change_nothing(site: Site) -> None:
    frozen = site.server(ttl=TTL, heartbeat=HEARTBEAT).spawn()
    peer = site.server(ttl=TTL, heartbeat=HEARTBEAT).start()
    frozen.wait_for("ready")
    (plain,) = site.post(frozen, "held_threaded")
    (again,) = site.post(frozen, "held_requeueable")
    frozen.wait_for("running held_threaded")
    frozen.wait_for("running held_requeueable")
    site.freeze(frozen)

    site.wait_for_state(plain, INTERRUPTED)
    peer.wait_for("running held_requeueable")
    settled = site.rows()

    frozen.release()
    frozen.thaw()
    lives = "SELECT count(*) FROM trust_lives WHERE pid = ?"
    eventually(lambda: site.ask(lives, frozen.pid) == [(2,)])
    eventually(lambda: site.row(plain).late == 1)
    eventually(lambda: site.row(again).late == 1)

    assert site.lines("done", plain) != []
    rows = site.rows()
    assert {task: row._replace(late=0) for task, row in rows.items()} == settled
    peer.release()
    assert site.wait_for_state(again, SUCCESS)
    (after,) = site.post(frozen, "plain")
    assert site.wait_for_state(after, SUCCESS)
    assert {line["pid"] for line in site.lines("start", after)} <= {frozen.pid, peer.pid}
    assert judge(site.history()) == []


def test_a_pause_within_the_time_to_live_is_no_death(site: Site) -> None:
    paused = site.server(ttl=LONG_TTL, heartbeat=HEARTBEAT).spawn()
    site.server(ttl=LONG_TTL, heartbeat=HEARTBEAT).start()
    paused.wait_for("ready")
    (task,) = site.post(paused, "held")
    paused.wait_for("running held")
    counter = "SELECT counter FROM taskflow_instances WHERE json_extract(info, '$.pid') = ?"

    site.freeze(paused)
    ((before,),) = site.ask(counter, paused.pid)
    others = "SELECT sum(counter) FROM taskflow_instances"
    ((beats,),) = site.ask(others)
    eventually(lambda: site.ask(others)[0][0] >= beats + 3)
    assert site.ask(counter, paused.pid) == [(before,)]
    paused.release()
    paused.thaw()

    assert site.wait_for_state(task, SUCCESS).fence == 1
    assert judge(site.history()) == []
