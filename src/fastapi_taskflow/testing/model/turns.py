"""Order keys in the model: who is first of the live ones, asked anew each time."""

from __future__ import annotations

from fastapi_taskflow.testing.model.store import Model
from fastapi_taskflow.testing.model.tasks import ModelTask
from fastapi_taskflow.words.models import TaskStatus

__all__ = ["displace", "of_key", "pass_turns"]


def of_key(model: Model, order_key: str | None) -> list[ModelTask]:
    """The live tasks of an order key, in order of arrival."""
    return [
        task
        for task in model.tasks.values()
        if task.live and order_key is not None and task.new.order_key == order_key
    ]


def pass_turns(model: Model) -> None:
    """A verb is over: the first of each order key has the turn, if it was not so before."""
    for order_key in {task.new.order_key for task in model.tasks.values()}:
        for place, task in enumerate(of_key(model, order_key)):
            if task.behind and place == 0:
                assert task.due_at is not None
                task.behind, task.due_at = False, max(task.due_at, model.clock.now())


def displace(model: Model, mates: list[ModelTask], how: str) -> bool:
    """End those that wait, ask those that run; whether there were any."""
    displaced = False
    for mate in mates:
        if mate.status is TaskStatus.PENDING:
            mate.quiet.add(mate.fence)
            model.end(mate, TaskStatus.CANCELLED)
            displaced = True
        elif how == "cancel_running" and not mate.cancel_asked:
            mate.cancel_asked = displaced = True
    return displaced
