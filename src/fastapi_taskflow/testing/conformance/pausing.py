"""Pauses of functions, order keys and tags: what they hold, and nothing else."""

from __future__ import annotations

import pytest

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.backends.rules.pausing import pause_name
from fastapi_taskflow.testing.conformance.harness import A, Conformance, accept, claim, ids, task

FUNCTIONS = frozenset({"f", "g"})


async def pause(backend: Backend, kind: str, value: str, *, on: bool = True) -> None:
    """Pause something, or let it go on."""
    await backend.set_queue(pause_name(kind, value), {"paused": on})


class Pausing(Conformance):
    """The emergency brake for one function, one key or one customer."""

    @pytest.mark.parametrize(
        ("kind", "value"), [("function", "f"), ("key", "customer:7"), ("tag", "customer:7:'x")]
    )
    async def test_what_is_paused_waits_and_the_rest_passes_it(
        self, backend: Backend, kind: str, value: str
    ) -> None:
        held = [
            task(
                func_name="f",
                order_key="customer:7" if kind == "key" else None,
                tags={"customer": "7:'x", "plan": "free"},
                priority=5,
            )
            for _ in range(3)
        ]
        others = [task(func_name="g", order_key=f"customer:{n}", tags={}) for n in (1, 2)]
        like = task(func_name="g", tags={"other": "7:'x", "customer": "8"})
        for new in (*held, *others, like):
            await accept(backend, new)
        await pause(backend, kind, value)

        one = await claim(backend, limit=1, functions=FUNCTIONS)
        rest = await claim(backend, functions=FUNCTIONS)

        passed = [others[0].task_id, others[1].task_id, like.task_id]
        assert [*ids(one), *ids(rest)] == passed
        assert await claim(backend, functions=FUNCTIONS) == []

        await pause(backend, kind, value, on=False)

        first = held[:1] if kind == "key" else held
        assert ids(await claim(backend, functions=FUNCTIONS)) == [each.task_id for each in first]

    async def test_a_pause_is_told_to_everybody_and_leaves_nothing_behind(
        self, backend: Backend, second: Backend
    ) -> None:
        await pause(backend, "tag", "a:b")
        assert (await second.signals(A)).queues == {pause_name("tag", "a:b"): {"paused": True}}

        await pause(backend, "tag", "a:b", on=False)
        await pause(backend, "key", "never", on=False)

        assert (await second.signals(A)).queues == {}

    async def test_several_pauses_hold_at_once(self, backend: Backend) -> None:
        tasks = [task(tags={"c": str(n)}) for n in range(4)]
        await accept(backend, *tasks)
        for n in (0, 2):
            await pause(backend, "tag", f"c:{n}")

        assert ids(await claim(backend)) == [tasks[1].task_id, tasks[3].task_id]

    async def test_a_claim_finds_the_one_behind_thousands_that_are_held(
        self, backend: Backend
    ) -> None:
        held = [task(tags={"customer": "7"}) for _ in range(2000)]
        other = task(tags={"customer": "8"})
        await accept(backend, *held, other)
        await pause(backend, "tag", "customer:7")

        assert ids(await claim(backend, limit=1)) == [other.task_id]
        assert await claim(backend, limit=1) == []

        await pause(backend, "tag", "customer:7", on=False)

        assert ids(await claim(backend, limit=2)) == [one.task_id for one in held[:2]]
