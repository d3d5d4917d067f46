"""Pausing, draining and resuming, as a manager's methods."""

from __future__ import annotations

from fastapi_taskflow.operations.operations import Operations

__all__ = ["Braking"]


class Braking:
    """What stops starts, or what is new."""

    operations: Operations

    async def pause(
        self,
        queue: str | None = None,
        *,
        func_name: str | None = None,
        key: str | None = None,
        tag: str | None = None,
    ) -> None:
        """Start nothing more of a queue, function, order key or tag, on any instance.

        Stored, until `resume`. A function, a key or a tag holds tasks that are stored before they
        run: durable ones, and those with a limit, a rate or a key.

        Args:
            queue: By name; exactly one of these.
            func_name: A function, by its task name.
            key: An order key as records show it, ``customer:7``.
            tag: ``name:value``, the emergency brake for one customer.
        """
        await self.operations.pause(queue, func_name=func_name, key=key, tag=tag)

    async def drain(self, queue: str) -> None:
        """Take no new tasks in a queue, on any instance, and work off what it has; until `resume`.

        They are refused with `QueueFullError`.

        Raises:
            QueueNotFound: no such queue.
        """
        await self.operations.drain(queue)

    async def resume(
        self,
        queue: str | None = None,
        *,
        func_name: str | None = None,
        key: str | None = None,
        tag: str | None = None,
    ) -> None:
        """Let what is paused go on, or a queue that drains; arguments as of `pause`."""
        await self.operations.resume(queue, func_name=func_name, key=key, tag=tag)
