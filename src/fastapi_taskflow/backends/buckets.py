"""Token buckets: how often something may be tried, the same rule for every store.

A bucket holds ``capacity`` tokens and gets one back every ``refill`` seconds. Each try takes
one. Who uses it up waits until one is back and, with ``delay``, longer each time that he
does so again: ``delay``, twice that, four times, up to ``longest``. What nobody touches
fills up, and a full bucket has no past: a store keeps no row of it, and may delete a row
from the instant at which its bucket is full. Refused tries change nothing, so they
neither grow a store nor a wait.

Guessed passwords are what this is for. A token is taken before a password is looked at, so
tries at the same time cannot overtake the count; a right password makes the pair's bucket
forget. Which buckets a login takes from is the policy of whoever calls, and it needs two:

* Account and network together: ``Bucket(bucket_name("pair", account, network), 5, 12.0,
  delay=2.0)``, five a minute and then ever fewer, down to one in five minutes. Forgotten
  after a right password.
* The network alone: ``Bucket(bucket_name("network", network), 30, 2.0)``, thirty a minute for
  all accounts together, known or not. Never forgotten: else whoever has one account could
  go on guessing at the others by logging in to it between.

None for the account alone: it would refuse its owner while somebody else guesses, which is
a lock-out that any stranger can cause. So guesses from many networks add up, five a minute
each; against that only a good password helps. A network is an IPv4 address, or the first 64
bits of an IPv6 one, because whoever has one of those addresses has them all.

The two also bound what a store keeps: all buckets of a try are taken from or none, so a
network cannot have more rows of invented accounts than it has tokens, and a row of one try
lives for ``refill`` seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, MutableMapping, Sequence
from typing import NamedTuple

__all__ = ["Bucket", "Level", "bucket_name", "longest_wait", "take"]

_MICROS_PER_SECOND = 1_000_000


class Bucket(NamedTuple):
    """A bucket and its terms; two tries at one bucket should name the same terms.

    Attributes:
        name: From `bucket_name`.
        capacity: Tokens of a full bucket, 1 or more.
        refill: Seconds until a token is back, above 0.
        delay: Seconds of the first wait after it was used up; later ones double. Never less
            than ``refill`` takes. 0: they do not grow.
        longest: Seconds at which waits stop growing.
    """

    name: str
    capacity: int
    refill: float
    delay: float = 0.0
    longest: float = 300.0


class Level(NamedTuple):
    """What a store keeps of a bucket. ``full_at`` is in microseconds since the epoch.

    ``strikes`` says how often it was used up since it was full last.
    """

    full_at: int
    strikes: int


def bucket_name(*parts: str) -> str:
    """64 characters that stand for these texts, whatever is in them and however long.

    >>> bucket_name("pair", "ann", "192.0.2.1") == bucket_name("pair", "ann192.0.2.1")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded) + encoded)
    return digest.hexdigest()


def longest_wait(levels: Mapping[str, Level], buckets: Sequence[Bucket], now: int) -> int:
    """Microseconds until every bucket has a token; 0: they have. Full ones need no level."""
    return max((_wait(bucket, levels.get(bucket.name), now) for bucket in buckets), default=0)


def take(levels: MutableMapping[str, Level], buckets: Sequence[Bucket], now: int) -> int:
    """Where `longest_wait` is 0, take a token from every bucket; its answer."""
    wait = longest_wait(levels, buckets, now)
    if wait == 0:
        for bucket in buckets:
            levels[bucket.name] = _taken(bucket, levels.get(bucket.name), now)
    return wait


def _wait(bucket: Bucket, level: Level | None, now: int) -> int:
    room = (bucket.capacity - 1) * _micros(bucket.refill)
    return max(0, _full_at(bucket, level, now) - room - now)


def _taken(bucket: Bucket, level: Level | None, now: int) -> Level:
    refill = _micros(bucket.refill)
    room = (bucket.capacity - 1) * refill
    strikes = 0 if level is None or level.full_at <= now else level.strikes
    full_at = _full_at(bucket, level, now) + refill
    until_next = full_at - room - now
    if until_next <= 0:
        return Level(full_at, strikes)
    grown = min(_micros(bucket.delay) << strikes, _micros(bucket.longest))
    return Level(now + room + max(until_next, grown), strikes + 1)


def _full_at(bucket: Bucket, level: Level | None, now: int) -> int:
    """When it is full, from now on.

    A store's clock that was set back must not lock anybody out for as long: nothing is
    further off than the terms allow.
    """
    if level is None:
        return now
    refill = _micros(bucket.refill)
    longest = max(refill, _micros(bucket.longest)) if bucket.delay else refill
    return min(max(level.full_at, now), now + (bucket.capacity - 1) * refill + longest)


def _micros(seconds: float) -> int:
    return round(seconds * _MICROS_PER_SECOND)
