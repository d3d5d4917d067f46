"""`enqueue(session=)`: the task exists if its caller's own transaction commits."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from fastapi_taskflow import (
    ConfigurationError,
    IdempotencyConflict,
    QueueConfig,
    QueueFullError,
    RedisBackend,
    StoreUnavailable,
    TaskArgumentError,
    TaskManager,
)
from fastapi_taskflow.backends.sharing import share
from fastapi_taskflow.engine.run import claims
from tests.support.redisserver import redis_server
from tests.support.shops import SESSIONS, Shop, done, ordering
from tests.support.waiting import wait_until

Make = Callable[..., TaskManager]

pytestmark = pytest.mark.anyio


async def started(manager: TaskManager) -> list[int]:
    """A manager with the task ``ship``; what that was called with."""
    shipped: list[int] = []

    @manager.task(persist=True)
    async def ship(number: int) -> None:
        shipped.append(number)

    await manager.startup()
    return shipped


def ship(manager: TaskManager) -> Any:
    found = manager.registry.get_by_name("ship")
    assert found is not None
    return found[0]


@pytest.mark.parametrize("kind", SESSIONS)
async def test_a_task_exists_once_its_transaction_is_committed(
    shop: Shop, manager: Make, kind: str
) -> None:
    tasks = manager()
    shipped = await started(tasks)

    async with shop.open(kind) as session:
        await done(session.execute(ordering(1)))
        accepted = await tasks.enqueue(ship(tasks), 1, session=session)
        unseen = None if shop.kind == "sqlite" else await tasks.get(accepted.task_id)
        await done(session.commit())

    await wait_until(lambda: shipped == [1])
    assert unseen is None
    assert shop.orders() == [1]
    assert accepted.disposition == "created"


@pytest.mark.parametrize("kind", SESSIONS)
async def test_what_is_not_committed_leaves_nothing(shop: Shop, manager: Make, kind: str) -> None:
    tasks = manager()
    shipped = await started(tasks)
    lost = []

    for ending in ("rollback", "close"):
        async with shop.open(kind) as session:
            await done(session.execute(ordering(1)))
            lost.append(await tasks.enqueue(ship(tasks), 1, session=session, idempotency_key="k"))
            if ending == "rollback":
                await done(session.rollback())

    # The key is free, the lines move on.
    await tasks.enqueue(ship(tasks), 2, idempotency_key="k")
    await wait_until(lambda: shipped == [2])
    assert [await tasks.get(one.task_id) for one in lost] == [None, None]
    assert shop.orders() == []


async def test_plain_functions_enqueue_from_any_thread(shop: Shop, manager: Make) -> None:
    tasks = manager()
    shipped = await started(tasks)

    # This is the engine's own: nothing has to wait for it.
    with Session(shop.engine) as session:
        tasks.enqueue_sync(ship(tasks), 1, session=session)
        session.commit()

    await wait_until(lambda: shipped == [1])


async def test_an_equal_key_never_aborts_the_transaction(shop: Shop, manager: Make) -> None:
    tasks = manager()
    shipped = await started(tasks)
    first = await tasks.enqueue(ship(tasks), 1, idempotency_key="order 1")

    async with AsyncSession(shop.async_engine) as session:
        again = await tasks.enqueue(ship(tasks), 1, session=session, idempotency_key="order 1")
        mine = await tasks.enqueue(ship(tasks), 2, session=session, idempotency_key="order 2")
        twice = await tasks.enqueue(ship(tasks), 2, session=session, idempotency_key="order 2")
        with pytest.raises(IdempotencyConflict):
            await tasks.enqueue(ship(tasks), 9, session=session, idempotency_key="order 1")
        await session.execute(ordering(1))
        await session.commit()

    assert (again.task_id, again.duplicate, again.disposition) == (first.task_id, True, "existing")
    assert (twice.task_id, twice.duplicate) == (mine.task_id, True)
    await wait_until(lambda: sorted(shipped) == [1, 2])
    assert shop.orders() == [1]


async def test_a_savepoint_takes_back_what_is_in_it(shop: Shop, manager: Make) -> None:
    tasks = manager()
    shipped = await started(tasks)

    async with AsyncSession(shop.async_engine) as session:
        kept = await tasks.enqueue(ship(tasks), 1, session=session)
        inner = await session.begin_nested()
        lost = await tasks.enqueue(ship(tasks), 2, session=session)
        await inner.rollback()
        async with session.begin_nested():
            await tasks.enqueue(ship(tasks), 3, session=session)
        await session.commit()

    await wait_until(lambda: sorted(shipped) == [1, 3])
    assert await tasks.get(lost.task_id) is None
    assert await tasks.get(kept.task_id) is not None


async def test_a_session_in_a_tests_own_transaction_commits_nothing(
    shop: Shop, manager: Make
) -> None:
    tasks = manager()
    shipped = await started(tasks)

    with shop.engine.connect() as sql:
        outer = sql.begin()
        with Session(sql, join_transaction_mode="create_savepoint") as session:
            session.execute(ordering(1))
            accepted = tasks.enqueue_sync(ship(tasks), 1, session=session)
            session.commit()
        outer.rollback()

    await tasks.enqueue(ship(tasks), 2)
    await wait_until(lambda: shipped == [2])
    assert await tasks.get(accepted.task_id) is None


async def test_the_commit_is_heard_without_a_poll(
    shop: Shop, manager: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "POLL_SECONDS", 3_600.0)
    tasks = manager()
    shipped = await started(tasks)

    for number in (1, 2):
        # Of several transactions on one connection, too.
        async with shop.async_engine.connect() as sql:
            for step in (0, 10):
                await tasks.enqueue(ship(tasks), number + step, session=sql)
                await sql.commit()

    await wait_until(lambda: sorted(shipped) == [1, 2, 11, 12])


async def test_a_transaction_that_sees_an_old_state_goes_on(shop: Shop, manager: Make) -> None:
    if shop.kind == "sqlite":
        pytest.skip("it has no such isolation")
    tasks = manager()
    await started(tasks)
    async with AsyncSession(shop.async_engine) as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        await session.execute(sa.text("SELECT count(*) FROM taskflow_keys"))
        first = await tasks.enqueue(ship(tasks), 1, idempotency_key="order")

        if shop.kind == "postgresql":
            # Whether that is an equal one cannot be seen here.
            with pytest.raises(StoreUnavailable, match="begun again"):
                await tasks.enqueue(ship(tasks), 1, session=session, idempotency_key="order")
        else:
            again = await tasks.enqueue(ship(tasks), 1, session=session, idempotency_key="order")
            assert again.task_id == first.task_id
        await session.execute(ordering(1))
        await session.commit()

    assert shop.orders() == [1]


async def test_a_full_queue_refuses_and_the_transaction_goes_on(shop: Shop, manager: Make) -> None:
    tasks = manager(queues={"mail": QueueConfig(max_size=1)})
    await started(tasks)
    await tasks.pause("mail")

    async with AsyncSession(shop.async_engine) as session:
        await tasks.enqueue(ship(tasks), 1, session=session, queue="mail", idempotency_key="a")
        with pytest.raises(QueueFullError):
            await tasks.enqueue(ship(tasks), 2, session=session, queue="mail", idempotency_key="b")
        await session.execute(ordering(1))
        await session.commit()

    # What was refused has taken no key.
    assert not (await tasks.enqueue(ship(tasks), 2, idempotency_key="b")).duplicate
    assert shop.orders() == [1]


async def test_arguments_are_sealed_and_tables_have_their_prefix(shop: Shop, manager: Make) -> None:
    tasks = manager(encrypt_args_key="0123456789abcdef0123", table_prefix="own_")
    shipped = await started(tasks)

    async with AsyncSession(shop.async_engine) as session:
        for _ in range(2):
            await tasks.enqueue(ship(tasks), 77_777, session=session, idempotency_key="k")
        found = await session.execute(sa.text("SELECT payload FROM own_tasks"))
        payloads = [bytes(one) for (one,) in found]
        await session.commit()

    await wait_until(lambda: shipped == [77_777])
    assert len(payloads) == 1
    assert b"77777" not in payloads[0]


async def test_only_what_can_be_stored_is_taken(shop: Shop, manager: Make) -> None:
    tasks = manager()
    await started(tasks)

    async def unknown() -> None: ...

    async with AsyncSession(shop.async_engine) as session:
        with pytest.raises(TaskArgumentError, match="not registered"):
            await tasks.enqueue(unknown, session=session)
        with pytest.raises(TaskArgumentError):
            await tasks.enqueue(ship(tasks), object(), session=session)
        with pytest.raises(ConfigurationError, match=r"await task_manager\.enqueue"):
            tasks.enqueue_sync(ship(tasks), 1, session=session)
    for wrong in (shop.engine, shop.async_engine, "session", object()):
        with pytest.raises(ConfigurationError, match="takes a Session"):
            await tasks.enqueue(ship(tasks), 1, session=wrong)
    with shop.engine.connect() as sql:
        free = sql.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(ConfigurationError, match="autocommit"):
            tasks.enqueue_sync(ship(tasks), 1, session=free)


async def test_another_database_is_refused_and_unharmed(
    shop: Shop, manager: Make, tmp_path: Any
) -> None:
    tasks = manager()
    await started(tasks)
    elsewhere = share(sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}"))

    with Session(elsewhere) as session:
        session.execute(sa.text("CREATE TABLE orders (number INTEGER)"))
        with pytest.raises(ConfigurationError, match=r"one transaction cannot hold both"):
            tasks.enqueue_sync(ship(tasks), 1, session=session)
        session.execute(sa.text("INSERT INTO orders VALUES (1)"))
        session.commit()
    elsewhere.dispose()


async def test_another_store_of_the_same_database_is_refused(shop: Shop, manager: Make) -> None:
    tasks = manager(table_prefix="own_")
    await started(tasks)

    with Session(shop.engine) as session:
        # As in a copy that was made before this instance began.
        session.execute(sa.text("DELETE FROM own_instances"))
        with pytest.raises(ConfigurationError, match="one transaction cannot hold both"):
            tasks.enqueue_sync(ship(tasks), 1, session=session)
        session.rollback()


@pytest.mark.parametrize("store", ["memory", "redis"])
async def test_a_store_that_is_no_sql_database_says_so(shop: Shop, store: str) -> None:
    with ExitStack() as stack:
        backend = None
        if store == "redis":
            server = stack.enter_context(redis_server())
            backend = RedisBackend(server.url, server.prefix)
        await assert_refuses_sessions(TaskManager(snapshot_backend=backend), shop)


async def assert_refuses_sessions(tasks: TaskManager, shop: Shop) -> None:
    @tasks.task()
    async def note() -> None: ...

    async with tasks:
        with Session(shop.engine) as session, pytest.raises(ConfigurationError, match="in its own"):
            tasks.enqueue_sync(note, session=session)


async def test_keys_and_spans_hold_in_a_callers_transaction(shop: Shop, manager: Make) -> None:
    tasks = manager()
    shipped: list[str] = []

    @tasks.task(key="order")
    async def ship(order: int, how: str) -> None:
        shipped.append(how)

    await tasks.startup()
    plain = await tasks.enqueue(ship, 1, "first", debounce=600)
    with Session(shop.engine) as session:
        lost = tasks.enqueue_sync(ship, 1, "lost", debounce=0.1, session=session)
        kept = tasks.enqueue_sync(ship, 2, "kept", throttle=600, session=session)
        session.rollback()
    assert [lost.disposition, kept.disposition] == ["replaced", "created"]
    assert shipped == []
    with Session(shop.engine) as session:
        late = tasks.enqueue_sync(ship, 1, "late", debounce=600, session=session)
        last = tasks.enqueue_sync(ship, 1, "last", debounce=0.1, session=session)
        one = tasks.enqueue_sync(ship, 2, "one", throttle=600, session=session)
        two = tasks.enqueue_sync(ship, 2, "two", throttle=600, session=session)
        session.commit()

    await wait_until(lambda: set(shipped) == {"last", "one"})
    words = [each.disposition for each in (plain, late, last, one, two)]
    assert words == ["created", "replaced", "replaced", "created", "dropped"]
    assert two.task_id == one.task_id


@pytest.mark.parametrize("kind", ["session", "async session"])
async def test_many_are_a_part_of_the_transaction_or_none_is(
    shop: Shop, manager: Make, kind: str
) -> None:
    tasks = manager(queues={"small": QueueConfig(max_size=2)})
    shipped = await started(tasks)
    calls = [tasks.call(ship(tasks), number) for number in range(30)]

    async with shop.open(kind) as session:
        lost = await tasks.enqueue_many(calls, session=session)
        await done(session.rollback())
        with pytest.raises(QueueFullError):
            await tasks.enqueue_many(calls, queue="small", session=session)
        kept = await tasks.enqueue_many(calls[:20], session=session)
        none = await tasks.enqueue_many([], session=session)
        await done(session.execute(ordering(1)))
        await done(session.commit())

    await wait_until(lambda: sorted(shipped) == list(range(20)))
    assert len({one.task_id for one in kept}) == 20
    assert none == []
    assert [await tasks.get(one.task_id) for one in lost] == [None] * 30
    assert shop.orders() == [1]
