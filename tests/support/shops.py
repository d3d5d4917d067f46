"""Databases that hold an app's own table beside its tasks, with sessions of all kinds on it."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import sqlalchemy as sa
import sqlmodel
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from fastapi_taskflow.backends.sharing import share

DRIVERS = {
    "sqlite": ("sqlite", "sqlite+aiosqlite"),
    "postgresql": ("postgresql+psycopg", "postgresql+asyncpg"),
    "mysql": ("mysql+pymysql", "mysql+asyncmy"),
}
SESSIONS: dict[str, Callable[["Shop"], Any]] = {
    "session": lambda shop: Session(shop.engine),
    "sqlmodel": lambda shop: sqlmodel.Session(shop.engine),
    "scoped": lambda shop: scoped_session(sessionmaker(shop.engine)),
    "connection": lambda shop: shop.engine.connect(),
    "async session": lambda shop: AsyncSession(shop.async_engine),
    "async connection": lambda shop: shop.async_engine.connect(),
}

ORDERS = sa.Table("orders", sa.MetaData(), sa.Column("number", sa.Integer, primary_key=True))


async def done(answer: Any) -> Any:
    """What a session answered, awaited where that is an async one's."""
    return await answer if inspect.isawaitable(answer) else answer


@contextmanager
def session_on(url: str) -> Iterator[sa.Connection]:
    """A blocking connection of an engine of its own."""
    address = sa.make_url(url)
    engine = sa.create_engine(address.set(drivername=DRIVERS[address.drivername][0]))
    if address.drivername == "sqlite":
        share(engine)
    try:
        with engine.connect() as sql:
            yield sql
    finally:
        engine.dispose()


class Shop:
    """A database, and the app's engines on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        address = sa.make_url(url)
        self.kind = kind = address.drivername
        plain, awaited = DRIVERS[kind]
        self.engine: sa.Engine = sa.create_engine(address.set(drivername=plain))
        self.async_engine: AsyncEngine = create_async_engine(address.set(drivername=awaited))
        if kind == "sqlite":
            share(self.engine)
            share(self.async_engine)
        ORDERS.create(self.engine, checkfirst=True)

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator[Any]:
        """A session of a kind; closed at the end, and not committed."""
        session = SESSIONS[name](self)
        if name == "async connection":
            await session.start()
        try:
            yield session
        finally:
            await done(session.remove() if name == "scoped" else session.close())

    def orders(self) -> list[int]:
        with self.engine.connect() as sql:
            return list(sql.scalars(sa.select(ORDERS.c.number).order_by(ORDERS.c.number)))


def ordering(number: int) -> sa.Insert:
    return sa.insert(ORDERS).values(number=number)
