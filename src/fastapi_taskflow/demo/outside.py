"""The world outside the shop: slow, and now and then it fails."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from decimal import Decimal

__all__ = [
    "CardDeclinedError",
    "UnknownAddressError",
    "ask_supplier",
    "charge",
    "draw",
    "send_mail",
]


class CardDeclinedError(Exception):
    """The bank said no. It will say no again."""


class UnknownAddressError(Exception):
    """Nobody lives there."""


async def send_mail(address: str, subject: str) -> None:
    """Hand a mail over to the server.

    Raises:
        ConnectionError: the server is busy; try later.
        UnknownAddressError: no use to try again.
    """
    await asyncio.sleep(random.uniform(0.05, 0.2))
    if not address.endswith(".com"):
        raise UnknownAddressError(f"550 no mailbox {address}")
    if random.random() < 0.1:
        raise ConnectionError(f"451 mailbox of {address} is busy, {subject!r} not taken")


async def charge(order_id: str, amount: Decimal) -> str:
    """Take the money; the receipt's number.

    As real providers do, this one charges an order once however often it is asked.

    Raises:
        TimeoutError: no answer; ask again.
        CardDeclinedError: no use to ask again.
    """
    await asyncio.sleep(random.uniform(0.1, 0.5))
    chance = random.random()
    if chance < 0.35:
        raise TimeoutError(f"the payment provider did not answer for order {order_id}")
    if chance < 0.45:
        raise CardDeclinedError(f"card declined for {amount} EUR")
    return f"R-{order_id}"


async def ask_supplier(sku: str) -> int:
    """How many of a product there are. Who asks more than five times a second is cut off.

    Raises:
        LookupError: it is not made any more; no use to ask again.
    """
    await asyncio.sleep(random.uniform(0.02, 0.1))
    if random.random() < 0.02:
        raise LookupError(f"the supplier makes no {sku} any more")
    return random.randrange(1_000)


def draw(width: int) -> bytes:
    """A banner in shades of grey: of the Mandelbrot set, as a shop of programmers sells it.

    Now and then it takes more memory than there is, and the system kills its process.
    """
    if random.random() < 0.04:
        os.kill(os.getpid(), signal.SIGKILL)
    height = width // 8
    return bytes(
        255 - 8 * _steps(complex(3.5 * x / width - 2.5, 2 * y / height - 1))
        for y in range(height)
        for x in range(width)
    )


def _steps(point: complex, most: int = 31) -> int:
    """How long a point stays near."""
    at = 0j
    for step in range(most):
        at = at * at + point
        if abs(at) > 2:
            return step
    return most
