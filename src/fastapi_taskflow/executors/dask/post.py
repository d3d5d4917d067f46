"""What is said to one worker: what comes up while a message is under way goes with the next one.

It goes through the scheduler, which is all that an app can be sure to reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from distributed import Client

from fastapi_taskflow.executors.dask.far import ATTEND

__all__ = ["Post"]

Words = list[tuple[str, str]]
OnAnswer = Callable[[str, bool], None]


class Post:
    """On the link's event loop.

    Args:
        answered: Told of each word whether the attempt with this token was there to hear it;
            not of those whose delivery failed.
        idle: There is nothing more to say, or no way to say it.
    """

    def __init__(
        self,
        client: Client,
        address: str,
        seconds: float,
        *,
        answered: OnAnswer,
        idle: Callable[[str], None],
    ) -> None:
        self._client: Any = client
        self._address = address
        self._seconds = seconds
        self._answered = answered
        self._idle = idle
        self._words: Words = []
        self.task: asyncio.Task[None] | None = None

    def say(self, token: str, word: str) -> None:
        """Send it soon; in order."""
        self._words.append((token, word))
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._words:
                words, self._words = self._words, []
                answer = await self._send(words)
                for (token, _), heard in zip(words, answer, strict=False):
                    self._answered(token, heard)
        finally:
            self._idle(self._address)

    async def _send(self, words: Words) -> list[bool]:
        try:
            async with asyncio.timeout(self._seconds):
                answers = await self._client.scheduler.broadcast(
                    msg={"op": ATTEND, "words": words}, workers=[self._address], on_error="ignore"
                )
        # The worker, the scheduler or the way is gone: who gets no answer counts that.
        except Exception:
            return []
        answer = answers.get(self._address)
        return answer if isinstance(answer, list | tuple) else []  # type: ignore[return-value]
