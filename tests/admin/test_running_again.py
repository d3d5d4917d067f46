"""A form of a task's arguments, and running it again with others."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from fastapi_taskflow import TaskStatus
from fastapi_taskflow.redaction import Sensitive

BIG = 2**70 + 1


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: float = 0.5


class Order(BaseModel):
    lines: list[Annotated[int, Field(ge=1)]]
    due: date | None = None


AXES = Point(1)


async def ship(  # noqa: PLR0913  (one of each kind)
    order: Order,
    at: datetime,
    number: int,
    raw: bytes = b"\xff\x00",
    /,
    *more: Colour,
    password: str = "",
    note: str | None = None,
    point: Point = AXES,
    **rest: int,
) -> None:
    raise RuntimeError(number)


async def untyped(thing, other=object):
    pass


AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
ORDER = Order(lines=[1, 2], due=date(2026, 5, 2))


@pytest.fixture
def shipped(desk):
    """A desk, and the id of a task that failed."""
    func = desk.manager.task(name="ship", persist=True)(ship)
    extra = {"password": "s3cret-word", "note": "gently", "weight": 5}
    return desk, desk.ended(func, ORDER, AT, BIG, b"\x01", Colour.RED, **extra).task_id


def form_of(desk, task_id) -> dict[str, dict[str, Any]]:
    response = desk.client.get(f"/tasks/{task_id}/arguments")
    assert response.status_code == 200, response.text
    return {one.pop("name"): one for one in response.json()}


def again(desk, task_id, **arguments):
    return desk.client.post(f"/tasks/{task_id}/run-again", json={"arguments": arguments})


def faults(response) -> dict[tuple[str | int, ...], str]:
    assert response.status_code == 422, response.text
    return {tuple(one["loc"][2:]): one["msg"] for one in response.json()["detail"]}


def test_the_form_has_every_parameter_with_its_value_as_json(shipped):
    form = form_of(*shipped)

    assert {name: one["value"] for name, one in form.items()} == {
        "order": '{"lines":[1,2],"due":"2026-05-02"}',
        "at": '"2026-05-01T12:00:00Z"',
        "number": str(BIG),
        "raw": '"AQ=="',
        "more": '["red"]',
        "password": None,
        "note": '"gently"',
        "point": None,
        "rest": '{"weight":5}',
    }
    assert [name for name, one in form.items() if one["secret"]] == ["password"]
    assert [name for name, one in form.items() if one["required"]] == ["order", "at", "number"]
    assert [name for name, one in form.items() if not one["given"]] == ["point"]
    assert (form["more"]["kind"], form["rest"]["kind"]) == ("list", "object")
    assert form["point"]["default"] == '{"x":1,"y":0.5}'
    assert form["number"]["form"] == {"type": "integer"}
    assert form["more"]["form"]["$defs"]["Colour"]["enum"] == ["red", "blue"]


def test_what_is_left_out_stays_as_it_was_also_what_is_secret(shipped):
    desk, task_id = shipped

    response = again(desk, task_id, number=7, more=["blue", "red"], point={"x": 3})

    new = desk.reached(response.json()["task_id"], TaskStatus.FAILED)
    assert response.json()["task"]["retry_of"] == task_id
    assert new.error == "7"
    assert new.args == (ORDER, AT, 7, b"\x01", Colour.BLUE, Colour.RED)
    assert new.kwargs == {
        "password": "s3cret-word",
        "note": "gently",
        "point": Point(3),
        "weight": 5,
    }


def test_values_that_are_typed_back_are_the_same_values(shipped):
    desk, task_id = shipped
    before = desk.reached(task_id, TaskStatus.FAILED)
    shown = {name: one["value"] for name, one in form_of(desk, task_id).items()}
    parts = ", ".join(f'"{name}": {text}' for name, text in shown.items() if text is not None)

    response = desk.client.post(
        f"/tasks/{task_id}/run-again",
        content=f'{{"arguments": {{{parts}}}}}',
        headers={"Content-Type": "application/json"},
    )

    new = desk.reached(response.json()["task_id"], TaskStatus.FAILED)
    assert (new.args, new.kwargs) == (before.args, before.kwargs)


def test_every_field_says_what_is_wrong_with_it(shipped):
    desk, task_id = shipped

    told = faults(
        again(desk, task_id, order={"lines": [0]}, at="soon", number="x", nte="", more=["green"])
    )

    assert set(told) == {("order", "lines", 0), ("at",), ("number",), ("nte",), ("more", 0)}
    assert told["nte",] == "The function has no such parameter. Did you mean 'note'?"
    assert desk.client.get(f"/tasks/{task_id}").json()["retried_as"] is None
    assert desk.client.get("/tasks/audit").json() == []


def test_the_mask_of_a_secret_is_never_taken_for_it(shipped):
    desk, task_id = shipped

    refused = faults(again(desk, task_id, password="[redacted]"))  # noqa: S106
    taken = again(desk, task_id, password="another", note="[redacted]")  # noqa: S106

    assert refused == {("password",): "'[redacted]' hides a secret. Leave it out to keep it."}
    new = desk.reached(taken.json()["task_id"], TaskStatus.FAILED)
    assert (new.kwargs["password"], new.kwargs["note"]) == ("another", "[redacted]")


@pytest.mark.parametrize(
    ("thing", "secret"),
    [
        ({"login": [{"api_key": "k-123456"}]}, True),
        ("postgres://ada:pa55word@db/shop", True),
        ({"a": "b" * 100_000}, False),
        (AT, False),
        ({1: 2}, False),
        ((1, 2), False),
    ],
    ids=["nested", "address", "long", "date", "numbers as names", "tuple"],
)
def test_a_value_that_json_cannot_say_or_nobody_may_see_is_kept(desk, thing, secret):
    func = desk.manager.task(name="untyped", persist=True)(untyped)
    task_id = desk.ended(func, thing, "x").task_id

    form = form_of(desk, task_id)
    new = desk.reached(again(desk, task_id, other=5).json()["task_id"], TaskStatus.SUCCESS)

    assert (form["thing"]["value"], form["thing"]["secret"]) == (None, secret)
    assert (form["other"]["value"], form["other"]["default"]) == ('"x"', None)
    assert new.args == (thing, 5)


def test_a_marked_parameter_is_secret(desk):
    async def greet(word: Annotated[str, Sensitive]) -> None: ...

    func = desk.manager.task(persist=True)(greet)

    form = form_of(desk, desk.ended(func, "hello").task_id)

    assert (form["word"]["value"], form["word"]["secret"]) == (None, True)


def test_a_task_that_succeeded_runs_again_as_one_of_its_own(desk):
    func = desk.manager.task(name="untyped", persist=True)(untyped)
    done = desk.ended(func, 1, tags={"order": "7"}, idempotency_key="one").task_id

    response = again(desk, done, thing=2)

    new = desk.reached(response.json()["task_id"], TaskStatus.SUCCESS)
    assert (new.args, new.retry_of, new.tags) == ((2,), None, {"order": "7"})
    assert new.idempotency_key is None
    (entry,) = desk.client.get("/tasks/audit").json()
    assert (entry["action"], entry["task_id"]) == ("run_again", done)
    assert entry["detail"] == {"new_task_id": new.task_id, "changed": ["thing"]}


def test_one_that_was_retried_or_still_runs_is_refused(desk):
    failed = desk.ended(desk.fail, 1).task_id
    first = desk.client.post(f"/tasks/{failed}/retry").json()["task_id"]
    running = desk.running(desk.stand)

    second, early = again(desk, failed), again(desk, running)

    assert (second.status_code, second.json()["task_id"]) == (409, first)
    assert early.status_code == 400
    assert again(desk, "nothing").status_code == 404


def test_a_step_of_a_chain_is_refused(desk):
    async def add_chain():
        return await desk.manager.chain(
            desk.manager.call(desk.tell, "first"), desk.manager.call(desk.chat, "second")
        )

    first, _ = desk.call(add_chain).task_ids
    desk.reached(first, TaskStatus.FAILED)

    response = again(desk, first, text="other")

    assert response.status_code == 400
    assert "a step of a chain" in response.json()["detail"]


def test_too_much_is_refused(shipped):
    desk, task_id = shipped

    told = faults(again(desk, task_id, note="x" * 300_000))

    (message,) = told.values()
    assert "262144" in message or "256" in message


def test_without_display_func_args_there_is_no_form(open_desk):
    desk = open_desk()
    failed = desk.ended(desk.fail, 1).task_id

    shown, ran = desk.client.get(f"/tasks/{failed}/arguments"), again(desk, failed)

    assert (shown.status_code, ran.status_code) == (403, 403)
    assert "display_func_args=True" in shown.json()["detail"]
