"""A store of tasks that is too simple to be wrong, to compare drivers with.

Everything is a plain collection that is read from end to end at each question; nothing is
indexed, counted or kept in order beforehand.
"""

from fastapi_taskflow.testing.model.admission import insert
from fastapi_taskflow.testing.model.pauses import brakes
from fastapi_taskflow.testing.model.schedules import change, due
from fastapi_taskflow.testing.model.store import Model
from fastapi_taskflow.testing.model.tasks import ModelTask, comparable
from fastapi_taskflow.testing.model.turns import pass_turns

__all__ = [
    "Model",
    "ModelTask",
    "brakes",
    "change",
    "comparable",
    "due",
    "insert",
    "pass_turns",
]
