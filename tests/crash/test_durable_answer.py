"""No answer goes out before its tasks are on disk."""

import select
import socket
from pathlib import Path

import httpx2
import pytest

from tests.support.tools import need
from trust.fsync import measure, read
from trust.history import PENDING
from trust.site import Site

pytestmark = pytest.mark.crash

REQUESTS = 40
AT_A_TIME = 32


def test_not_a_byte_goes_out_before_the_commit(site: Site) -> None:
    server = site.server().start(gate="before insert")
    with socket.create_connection(("127.0.0.1", server.config.port)) as client:
        client.sendall(b"POST /tasks/held?rid=r0 HTTP/1.1\r\nHost: here\r\n\r\n")
        server.wait_for("before insert")
        # The server answers others meanwhile, so it had every chance to answer this one.
        assert httpx2.get(server.url + "/openapi.json").status_code == httpx2.codes.OK

        assert not select.select([client], [], [], 0)[0]
        assert site.rows() == {}
        server.open_gate()
        assert client.recv(64).startswith(b"HTTP/1.1 202")
        (row,) = site.rows().values()
        assert row.state >= PENDING


def test_the_commit_is_synced_before_the_answer_and_shared_by_many(tmp_path: Path) -> None:
    need("strace")
    alone = [f"a{number}" for number in range(REQUESTS)]
    together = [f"t{number}" for number in range(8 * AT_A_TIME)]

    trace = measure(tmp_path, alone, together, AT_A_TIME)

    assert trace.answers.keys() == {*alone, *together}
    assert trace.unsynced() == []
    assert trace.between(together) < len(together)


SYNCED = """\
10 1.0 recvfrom(9<socket:[1]>, "POST /tasks/plain?rid=a HTTP/1.1", 65536, 0, NULL, NULL) = 80
11 1.1 fdatasync(5</x/tasks.db-wal> <unfinished ...>
10 1.2 recvfrom(8<socket:[2]>, "POST /tasks/plain?rid=b HTTP/1.1", 65536, 0, NULL, NULL) = 80
11 1.3 <... fdatasync resumed>) = 0
10 1.4 sendto(9<socket:[1]>, "HTTP/1.1 202 Accepted", 100, 0, NULL, 0) = 100
11 1.5 fdatasync(5</x/tasks.db-wal>) = 0
10 1.6 sendto(8<socket:[2]>, "HTTP/1.1 202 Accepted", 100, 0, NULL, 0) = 100
"""


@pytest.mark.parametrize(
    ("change", "unsynced"),
    [
        (("", ""), []),
        # Begun before the request came, done after the answer, of another file, or not at all.
        (("11 1.5 fdatasync", "11 1.5 close"), ["b"]),
        (("11 1.5 ", "11 1.7 "), ["b"]),
        (("11 1.1 ", "11 0.9 "), ["a"]),
        (("5</x/tasks.db-wal> <unfin", "5</x/tasks.db> <unfin"), ["a"]),
    ],
)
def test_the_trace_shows_an_answer_without_a_sync(
    tmp_path: Path, change: tuple[str, str], unsynced: list[str]
) -> None:
    trace = tmp_path / "trace"
    trace.write_text(SYNCED.replace(*change, 1))

    assert read(trace, "tasks.db-wal").unsynced() == unsynced
