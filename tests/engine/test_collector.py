"""Python's collector looks less often while an engine runs, unless the app has its own say."""

import gc
from collections.abc import Iterator

import pytest

from fastapi_taskflow import TaskManager

PYTHONS_OWN = (700, 10, 10)


@pytest.fixture(autouse=True)
def threshold() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*PYTHONS_OWN)
    yield
    gc.set_threshold(*before)


async def test_the_threshold_is_higher_from_the_first_start_to_the_last_stop() -> None:
    async with TaskManager():
        async with TaskManager():
            assert gc.get_threshold() == (10_000, 10, 10)
        assert gc.get_threshold() == (10_000, 10, 10)
    assert gc.get_threshold() == PYTHONS_OWN


async def test_the_apps_own_threshold_stays() -> None:
    gc.set_threshold(50_000, 5, 5)
    async with TaskManager():
        assert gc.get_threshold() == (50_000, 5, 5)
    assert gc.get_threshold() == (50_000, 5, 5)


async def test_what_the_app_sets_meanwhile_stays() -> None:
    async with TaskManager():
        gc.set_threshold(50_000, 5, 5)
    assert gc.get_threshold() == (50_000, 5, 5)


async def test_a_collector_that_is_off_stays_off() -> None:
    gc.set_threshold(0)
    async with TaskManager():
        assert gc.get_threshold()[0] == 0
    gc.disable()
    try:
        async with TaskManager():
            assert not gc.isenabled()
    finally:
        gc.enable()
