"""The servers that tests of stores on databases run on, each of them once a module."""

from collections.abc import Iterator

import pytest

from tests.support.databases import KINDS, TestDatabase, database


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    with database(request.param) as made:
        yield made
