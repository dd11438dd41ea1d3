"""Counting in one memory: the windows of each limit, and taking all of a request's limits or none of them."""

from __future__ import annotations

from collections.abc import Sequence

from gateway_auth.core.limits import Limit, LimitOutcome, LimitSet
from gateway_auth.core.memo import Generations
from gateway_auth.core.rates import LONGEST_MONTH_SECONDS, Rate
from gateway_auth.core.windows import MICROSECONDS, Window, new_window

MAX_ADDRESSES = 1 << 17
MAX_PROVEN = 1 << 20
"""How many partitions one limit remembers. Addresses are for anybody to choose, keys, apps and subjects are proven."""


class Counters(Generations[str | int, Window]):
    """The windows of one limit. Two generations: what was not used for a whole period holds nothing worth keeping.

    Only the size bound can forget a window that still counts, and a client would need as many addresses as there
    are places to push out its own: with those it would be admitted as often anyway.
    """

    __slots__ = ("_life", "_rate", "rotate_at")

    def __init__(self, limit: Limit) -> None:
        super().__init__(MAX_ADDRESSES if limit.by == "address" else MAX_PROVEN)
        self.rotate_at = 0
        self._rate = limit.rate
        self._life = _life_seconds(limit.rate) * MICROSECONDS

    def age(self, now: int, partition: str | int) -> Window | None:
        """Begin a new generation, a whole life after the last; the partition's window, if there still is one."""
        if self.rotate_at:
            self.rotate()
        self.rotate_at = now + self._life
        return self[partition]

    def add(self, partition: str | int) -> Window:
        """A new window for a partition."""
        window = new_window(self._rate)
        self.put(partition, window)
        return window


def _life_seconds(rate: Rate) -> int:
    """How long a window can matter after its last use: a month of 31 days, a bucket that refills slowly."""
    refill_seconds = rate.burst * rate.period_seconds // max(1, rate.count) + 1
    return max(rate.period_seconds, refill_seconds, LONGEST_MONTH_SECONDS if rate.is_calendar_month else 0)


def take_all(
    limits: LimitSet, counters: Sequence[Counters], partitions: Sequence[str | int], now: int, utc: int
) -> LimitOutcome:
    """Take every limit's cost, or none: a refused request is charged nothing.

    `counters` and `partitions` stand in the order of `limits`; `now` is microseconds of a steady clock, `utc` of the
    wall clock.
    """
    status: tuple[int, ...] = ()
    # Of the limits, not of the counters: routes that share a global limit may charge it differently.
    costs = limits.costs
    position = 0
    for table in counters:
        partition = partitions[position]
        window = table[partition] if now < table.rotate_at else table.age(now, partition)
        taken = (window or table.add(partition)).take(costs[position], now, utc)
        if taken is None:
            return _refused(limits, counters, partitions, position, now, utc)
        left, reset = taken
        status += (left, (reset + MICROSECONDS - 1) // MICROSECONDS)
        position += 1  # noqa: SIM113 (enumerate costs on every request)
    return LimitOutcome(True, status)


def _refused(
    limits: LimitSet, counters: Sequence[Counters], partitions: Sequence[str | int], taken: int, now: int, utc: int
) -> LimitOutcome:
    """Give back the first `taken`, then say of every limit how it stands."""
    windows = [table[at] or table.add(at) for table, at in zip(counters, partitions, strict=False)]
    for position in reversed(range(taken)):
        windows[position].undo(limits.costs[position])
    status: list[int] = []
    violated: list[str] = []
    longest_wait = 0
    for limit, window in zip(limits.limits, windows, strict=True):
        if window.take(limit.cost, now, utc) is None:
            violated.append(limit.id)
            longest_wait = max(longest_wait, window.wait(limit.cost, now, utc))
        else:
            window.undo(limit.cost)
        left, reset = window.look(now, utc)
        status += (left, -(-reset // MICROSECONDS))
    retry_after_seconds = max(1, -(-longest_wait // MICROSECONDS))
    return LimitOutcome(False, tuple(status), retry_after_seconds, tuple(violated))
