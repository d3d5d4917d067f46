"""Many sign-ins at once leave the event loop to the app."""

import asyncio
import time

import httpx2
import pytest
from fastapi import FastAPI

from fastapi_taskflow import TaskAdmin, TaskManager
from fastapi_taskflow.auth.passwords import Passwords

pytestmark = pytest.mark.slow


async def late(stop: asyncio.Event) -> list[float]:
    """By how many seconds the loop was late, each 5 ms."""
    measured = []
    while not stop.is_set():
        begun = time.monotonic()
        await asyncio.sleep(0.005)
        measured.append(time.monotonic() - begun - 0.005)
    return measured


async def test_fifty_sign_ins_at_once_do_not_hold_up_the_event_loop():
    app, manager, stop = FastAPI(), TaskManager(), asyncio.Event()
    TaskAdmin(app, manager, auth=("ada", Passwords().hash("correct horse")))

    async def sign_in(number: int) -> int:
        transport = httpx2.ASGITransport(app=app, client=(f"192.0.2.{number}", 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as browser:
            typed = {"username": "ada", "password": "correct horse" if number % 2 else "wrong"}
            return (await browser.post("/tasks/auth/login", json=typed, timeout=60)).status_code

    async with manager:
        watch = asyncio.create_task(late(stop))
        statuses = await asyncio.gather(*(sign_in(number) for number in range(50)))
        stop.set()
        lateness = sorted(await watch)

    # Checked on the loop, every check would be one such hold-up, 50 of them.
    held_up = [each for each in lateness if each > 0.05]
    assert sorted(statuses) == [200] * 25 + [401] * 25
    assert lateness[len(lateness) * 95 // 100] < 0.05
    assert len(held_up) <= 5
