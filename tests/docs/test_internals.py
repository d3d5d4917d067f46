"""The page for authors of stores counts and names the verbs as the port has them."""

import pytest

from fastapi_taskflow import Backend
from fastapi_taskflow.backends.base import Batches, Joined, Rotation, Schedules, Transactions
from fastapi_taskflow.backends.base.migration import Migration
from fastapi_taskflow.backends.logins import Logins
from tests.support.pages import DOCS

PAGE = (DOCS / "internals" / "storage.md").read_text()
VERBS = Backend.__abstractmethods__ - {"open", "close", "grade"}
PORTS = {
    "schedules": Schedules,
    "batches": Batches,
    "sign_in": Logins,
    "rotation": Rotation,
    "transactions": Transactions,
    "migration": Migration,
}


def test_the_page_about_stores_has_every_verb():
    assert f"{len(VERBS)} verbs, and `open`, `close` and `grade`" in PAGE
    assert [verb for verb in sorted(VERBS) if f"`{verb}`" not in PAGE] == []


def test_the_page_about_stores_counts_what_is_done_in_a_callers_transaction():
    assert f", and {len(Joined.__abstractmethods__)} in each transaction |" in PAGE


@pytest.mark.parametrize("port", PORTS)
def test_the_page_about_stores_counts_the_verbs_of_each_port(port):
    assert f"| `{port}` | {len(PORTS[port].__abstractmethods__)}" in PAGE
