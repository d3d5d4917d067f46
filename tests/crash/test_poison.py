"""A task that kills its process is stopped after four deaths; its neighbours survive."""

import pytest

from trust.history import INTERRUPTED, SUCCESS
from trust.oracle import judge
from trust.site import Site

pytestmark = pytest.mark.crash

DEATHS = 4
NEIGHBOURS = 20


def test_a_poisonous_task_dies_alone(site: Site) -> None:
    # The library waits 0, 5 and 10 s after the first three deaths.
    server = site.server(rescue_factor=0.02).start()
    neighbours = [site.post(server, "requeueable", ms=200)[0] for _ in range(NEIGHBOURS)]
    (poison,) = site.post(server, "poison", ms=50)

    for _ in range(DEATHS):
        site.dies(server)
        server.start()

    rows = site.wait_for_ends()
    assert (rows[poison].state, rows[poison].interruptions) == (INTERRUPTED, DEATHS)
    assert [rows[task].state for task in neighbours] == [SUCCESS] * NEIGHBOURS
    assert [line["delay"] for line in site.lines("rescue", poison)] == [0.0, 5.0, 10.0]
    ((error,),) = site.ask("SELECT error FROM taskflow_tasks WHERE id = ?", poison)
    assert f"as {DEATHS} instances did by now" in error
    assert judge(site.history()) == []
