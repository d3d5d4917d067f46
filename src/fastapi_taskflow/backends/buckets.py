"""Token buckets: how often something may be tried, the same rule for every store.

A bucket holds ``capacity`` tokens and gets one back every ``refill`` seconds. Each try takes
one. Who uses it up waits until one is back and, with ``delay``, longer each time that he
does so again: ``delay``, twice that, four times, up to ``longest``. What nobody touches
fills up, and what stays full for another ``refill`` has no past: a store keeps no row of
it. Refused tries change nothing, so they neither grow a store nor a wait.

Guessed passwords are what this is for. A token is taken before a password is looked at, so
tries at the same time cannot overtake the count; a right password makes the pair's bucket
forget. Which buckets a login takes from is the policy of whoever calls, and it needs two:

* Account and network together: ``Bucket(bucket_name("pair", account, network), 5, 12.0,
  delay=2.0)``, five a minute and for those who want more ever fewer, down to one in five
  minutes. Forgotten after a right password.
* The network alone: ``Bucket(bucket_name("network", network), 30, 2.0)``, thirty a minute for
  all accounts together, known or not. Never forgotten: else whoever has one account could
  go on guessing at the others by logging in to it between.

None for the account alone: it would refuse its owner while somebody else guesses, which is
a lock-out that any stranger can cause. So guesses from many networks add up, five a minute
each; against that only a good password helps. A network is an IPv4 address, or the first 64
bits of an IPv6 one, because whoever has one of those addresses has them all.

The two also bound what a store keeps: all buckets of a try are taken from or none, so a
network cannot have more rows of invented accounts than it has tokens, and a row of one try
lives for twice ``refill``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, MutableMapping, Sequence
from typing import NamedTuple

__all__ = ["Bucket", "Level", "bucket_name", "drain", "longest_wait", "take", "tokens", "until"]

_MICROS_PER_SECOND = 1_000_000
# A clock that is set right by less forgives nobody; then waits are so much longer at most.
_SLACK_SECONDS = 60.0


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
    """What a store keeps of a bucket.

    From ``clear_at`` on, in microseconds since the epoch, it is as if nobody had ever taken
    from it: full, and for one refill already. Until then ``strikes`` says how often it was
    used up.
    """

    clear_at: int
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
    """Microseconds until every bucket has a token; 0: they have. Clear ones need no level."""
    return max((_wait(bucket, levels.get(bucket.name), now) for bucket in buckets), default=0)


def take(levels: MutableMapping[str, Level], buckets: Sequence[Bucket], now: int) -> int:
    """Where `longest_wait` is 0, take a token from every bucket; its answer."""
    wait = longest_wait(levels, buckets, now)
    if wait == 0:
        for bucket in buckets:
            levels[bucket.name] = _taken(bucket, levels.get(bucket.name), now)
    return wait


def tokens(bucket: Bucket, level: Level | None, now: int) -> int:
    """How many may be taken from a bucket at once, of one whose waits do not grow."""
    left = now + _span(bucket) - _present(bucket, level, now).clear_at
    return 0 if left < 0 else left // _micros(bucket.refill) + 1


def until(bucket: Bucket, level: Level | None, now: int, number: int) -> int:
    """Microseconds until so many may be taken from it, one after the other; as for `tokens`."""
    first = _present(bucket, level, now).clear_at - _span(bucket) - now
    return max(0, first + (number - 1) * _micros(bucket.refill))


def drain(bucket: Bucket, level: Level | None, now: int, number: int) -> Level:
    """The level after so many of its `tokens` were taken."""
    clear_at, strikes = _present(bucket, level, now)
    return Level(clear_at + number * _micros(bucket.refill), strikes)


def _wait(bucket: Bucket, level: Level | None, now: int) -> int:
    return max(0, _present(bucket, level, now).clear_at - _span(bucket) - now)


def _taken(bucket: Bucket, level: Level | None, now: int) -> Level:
    clear_at, strikes = _present(bucket, level, now)
    clear_at += _micros(bucket.refill)
    until_next = clear_at - _span(bucket) - now
    if until_next <= 0:
        return Level(clear_at, strikes)
    grown = min(_micros(bucket.delay) << strikes, _micros(bucket.longest))
    return Level(now + max(until_next, grown) + _span(bucket), strikes + 1)


def _present(bucket: Bucket, level: Level | None, now: int) -> Level:
    """The level as it counts now. One further off than the terms allow is of a clock that
    was set back since, or of other terms; it would lock somebody out for as long.
    """
    full = now + _micros(bucket.refill)
    longest = max(bucket.refill, bucket.longest) if bucket.delay else bucket.refill
    horizon = now + _micros(longest + _SLACK_SECONDS) + _span(bucket)
    if level is None or not now < level.clear_at <= horizon:
        return Level(full, 0)
    return Level(max(full, level.clear_at), level.strikes)


def _span(bucket: Bucket) -> int:
    """From the instant at which there is one token until the bucket is clear."""
    return bucket.capacity * _micros(bucket.refill)


def _micros(seconds: float) -> int:
    return round(seconds * _MICROS_PER_SECOND)
