"""Keys that sign: all instances have the same, and they change."""

from __future__ import annotations

import asyncio

from fastapi_taskflow.backends.base import Backend
from fastapi_taskflow.testing.clock import ManualClock
from fastapi_taskflow.testing.conformance.harness import Conformance, logins_of


async def keys(backend: Backend, fresh: bytes) -> list[bytes]:
    """Those of a store that wants a new one every hour, and keeps an older one for two."""
    return await logins_of(backend).signing_keys(fresh, renew=3_600.0, keep=7_200.0)


class Signing(Conformance):
    """Of those who send a key, one wins."""

    async def test_all_sign_by_the_key_that_came_first(
        self, backend: Backend, second: Backend
    ) -> None:
        sent = [b"key %d" % n for n in range(8)]
        asked = [keys((backend, second)[n % 2], key) for n, key in enumerate(sent)]
        found = await asyncio.gather(*asked)

        assert len({tuple(each) for each in found}) == 1
        assert len(found[0]) == 1
        assert found[0][0] in sent

    async def test_a_newer_key_follows_and_the_older_one_still_counts_for_a_while(
        self, backend: Backend, clock: ManualClock
    ) -> None:
        assert await keys(backend, b"first") == [b"first"]
        clock.advance(3_599)
        assert await keys(backend, b"early") == [b"first"]
        clock.advance(1)
        assert await keys(backend, b"second") == [b"second", b"first"]
        clock.advance(3_600)
        assert await keys(backend, b"third") == [b"third", b"second", b"first"]
        clock.advance(3_599)
        assert await keys(backend, b"no") == [b"third", b"second", b"first"]
        clock.advance(1)
        assert await keys(backend, b"fourth") == [b"fourth", b"third", b"second"]
