"""Many sign-ins at once leave the event loop to the app."""

import asyncio
import threading

import httpx2
from fastapi import FastAPI

from fastapi_taskflow import TaskAdmin, TaskAuthBackend, TaskManager
from fastapi_taskflow.rules.auth.passwords import Passwords

HANGS_SECONDS = 60.0


class Watched(Passwords):
    """Has the event loop answer during each check, and counts how many there are at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0
        self.unanswered = 0

    def verify(self, password: str, hashed: str) -> bool:
        answered = threading.Event()
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self._loop.call_soon_threadsafe(answered.set)
        self.unanswered += not answered.wait(HANGS_SECONDS)
        with self._lock:
            self._now -= 1
        return password == hashed


class Users(TaskAuthBackend):
    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    def authenticate_user(self, username: str, password: str) -> bool:
        return self._passwords.verify(password, "correct horse")


async def test_fifty_sign_ins_at_once_do_not_hold_up_the_event_loop():
    app, manager = FastAPI(), TaskManager()
    passwords = Watched(asyncio.get_running_loop())
    TaskAdmin(app, manager, auth=Users(passwords))

    async def sign_in(number: int) -> int:
        transport = httpx2.ASGITransport(app=app, client=(f"192.0.2.{number}", 4711))
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as browser:
            typed = {"username": "ada", "password": "correct horse" if number % 2 else "wrong"}
            return (await browser.post("/tasks/auth/login", json=typed, timeout=None)).status_code

    async with manager:
        statuses = await asyncio.gather(*(sign_in(number) for number in range(50)))

    assert sorted(statuses) == [200] * 25 + [401] * 25
    # A check on the loop would wait for an answer of the loop until it gave up.
    assert passwords.unanswered == 0
    assert 1 <= passwords.most <= 4


def test_few_hashes_are_made_at_a_time_however_many_threads_ask():
    passwords, made = Passwords(), []
    hashed = passwords.hash("correct horse")

    def check() -> None:
        made.append(passwords.verify("correct horse", hashed))

    threads = [threading.Thread(target=check) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == [True] * 12
