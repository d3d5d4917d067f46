"""Customers: real HTTP requests to the shop, one at a time, a few in a second."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import urllib.request
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

__all__ = ["visit"]

logger = logging.getLogger(__name__)

# Between two visits, in seconds: what a small machine does not notice.
PAUSE = (0.15, 0.45)
SKUS = ("mug", "shirt", "poster")
NAMES = ("ada", "grace", "edsger", "barbara", "donald", "radia")


async def visit(url: str) -> None:
    """Order, sign up and look around until cancelled."""
    customers = _Customers(url)
    while True:
        await asyncio.sleep(random.uniform(*PAUSE))
        try:
            await asyncio.to_thread(customers.act)
        except OSError as exc:  # an error status, or no connection: customers come back
            logger.info("A customer was turned away: %s", exc)


# They are next door: no proxy of the machine stands between.
_street = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class _Customers:
    def __init__(self, url: str) -> None:
        self._url = url
        self._key = ""
        self._order: dict[str, Any] = {}
        self._day = date.today() - timedelta(days=random.randrange(100, 10_000))  # noqa: DTZ011

    def act(self) -> None:
        chance = random.random()
        if chance < 0.35:
            self._post("/customers", {"email": self._address()})
        elif chance < 0.65:
            self._buy()
        elif chance < 0.70 and self._order:
            # A double click: the same order again, with the same key.
            self._post("/orders", self._order, {"Idempotency-Key": self._key})
        elif chance < 0.975:
            front = "&front_page=true" if random.random() < 0.2 else ""
            sku, width = random.choice(SKUS), random.choice((200, 400, 800))
            self._post(f"/products/{sku}/images?width={width}{front}")
        elif chance < 0.98:
            self._post("/imports")
        else:
            self._day += timedelta(days=1)
            self._post(f"/reports/{self._day}")

    def _buy(self) -> None:
        self._key = str(uuid4())
        self._order = {
            "sku": random.choice(SKUS),
            "quantity": random.randint(1, 3),
            "email": self._address(),
        }
        self._post("/orders", self._order, {"Idempotency-Key": self._key})

    def _address(self) -> str:
        mistyped = random.random() < 0.05
        name = f"{random.choice(NAMES)}{random.randrange(1000)}"
        return f"{name}@example.{'con' if mistyped else 'com'}"

    def _post(
        self, path: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(  # noqa: S310  (our own address)
            self._url + path, data, sent, method="POST"
        )
        with _street.open(request, timeout=5) as answer:
            answer.read()
