"""Shares of a limit that workers take ahead of their requests: how much may be lent, for how long, and what is said.

It is arithmetic and the words between a worker and the counters all share. It knows no store and no clock. What one
worker holds is `core.hand`'s; docs/limits.md has the proof that at most a twentieth too much is admitted.
"""

from __future__ import annotations

from msgspec import Struct

from gateway_auth.core.limits import Limit
from gateway_auth.core.windows import MICROSECONDS

LENT_PART = 20
"""At most one in so many units is lent to all workers together: what is lent is what can be admitted too much."""
LIVES_PER_PERIOD = 10
SHORTEST_LIFE = 50_000
LONGEST_LIFE = 10 * MICROSECONDS
"""A share lives a twentieth of the period, within these: longer than asking for it takes, and not held for long."""


class Terms(Struct, frozen=True):
    """How one limit is lent: each share for `life` microseconds, at most `most` units at any moment to all workers."""

    life: int
    most: int


def terms_of(limit: Limit) -> Terms:
    """The terms of a limit. A bucket's period is the time an empty one takes to fill."""
    rate = limit.rate
    period = rate.period_seconds * MICROSECONDS
    if rate.kind == "bucket":
        period = rate.burst * period // max(1, rate.count)
    life = min(max(period // LIVES_PER_PERIOD, SHORTEST_LIFE), LONGEST_LIFE)
    most = rate.capacity // LENT_PART
    # In whole requests: what is less than one would be held for nobody.
    return Terms(life, most - most % limit.cost)


class Closed(Struct, frozen=True, gc=False):
    """A share that is used up or has ended: `lent` units of it are lent no longer, `unused` go back to the window.

    `stamp` is the moment it was taken, by the clock of the counters.
    """

    stamp: int
    lent: int
    unused: int


class Want(Struct, frozen=True, gc=False):
    """What a worker wants of one window: `need` units for a request, up to `ahead` more as a share of its own.

    `closed` are given back first.
    """

    limit: Limit
    terms: Terms
    partition: str | int
    need: int = 0
    ahead: int = 0
    closed: tuple[Closed, ...] = ()


class Standing(Struct, frozen=True, gc=False):
    """How a window stands after that: what is left of it, microseconds until something comes back, the share granted.

    `wait_seconds` is how long until the need fits, 0 where it does.
    """

    left: int
    reset: int
    wait_seconds: int = 0
    ahead: int = 0


class Grant(Struct, frozen=True, gc=False):
    """The answer to some wants, in their order. Their needs were met together, at `stamp`, or not at all."""

    stamp: int
    standings: tuple[Standing, ...]

    @property
    def is_admitted(self) -> bool:
        """Whether all needs were met."""
        return not any(standing.wait_seconds for standing in self.standings)
