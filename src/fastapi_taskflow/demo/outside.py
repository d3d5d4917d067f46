"""The world outside the shop: slow, and now and then it fails."""

from __future__ import annotations

import asyncio
import random
import time
from decimal import Decimal

__all__ = ["CardDeclinedError", "UnknownAddressError", "charge", "draw", "send_mail"]


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


def draw(width: int) -> None:
    """Stands for work that blocks its thread, as image libraries do."""
    time.sleep(width / 2000)
