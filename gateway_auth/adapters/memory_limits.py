"""Limits counted in this process: exact for one worker, never waiting. It knows windows and partitions, no requests."""

from __future__ import annotations

from collections.abc import Sequence

from gateway_auth.core.limits import Limit, LimitOutcome, LimitSet, take_all
from gateway_auth.core.memo import Generations, Memo
from gateway_auth.core.rates import LONGEST_MONTH_SECONDS, Rate
from gateway_auth.core.windows import MICROSECONDS, Window, new_window
from gateway_auth.ports import Clock

MAX_ADDRESSES = 1 << 17
MAX_PROVEN = 1 << 20
"""How many partitions one limit remembers. Addresses are for anybody to choose, keys, apps and subjects are proven."""


class _Counters(Generations[str | int, Window]):
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


class MemoryLimitStore:
    """`ports.LimitStore` in one process's memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counters: dict[str, _Counters] = {}
        self._of: Memo[LimitSet, list[_Counters]] = Memo(self._find)

    def _find(self, limits: LimitSet) -> list[_Counters]:
        """The counters of each limit; a limit of two sets (a plan on many routes) has one."""
        return [self._counters.setdefault(limit.key, _Counters(limit)) for limit in limits.limits]

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        """All limits or none, at once."""
        now = int(self._clock.monotonic() * MICROSECONDS)
        utc = int(self._clock.now() * MICROSECONDS) if limits.is_utc_needed else 0
        windows = []
        for counters, partition in zip(self._of[limits], partitions):  # noqa: B905 (a keyword costs)
            window = counters[partition] if now < counters.rotate_at else counters.age(now, partition)
            windows.append(window or counters.add(partition))
        return take_all(limits, windows, now, utc)

    def note(self, limits: LimitSet, partitions: Sequence[str | int]) -> None:
        """Count what was admitted elsewhere, each limit by itself and as far as there is room in it."""
        now = int(self._clock.monotonic() * MICROSECONDS)
        utc = int(self._clock.now() * MICROSECONDS) if limits.is_utc_needed else 0
        for counters, partition, cost in zip(self._of[limits], partitions, limits.costs):  # noqa: B905 (as above)
            window = counters[partition] if now < counters.rotate_at else counters.age(now, partition)
            (window or counters.add(partition)).take(cost, now, utc)

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        """The same, for callers that wait."""
        return self.take_now(limits, partitions)

    def partitions(self) -> int:
        """How many windows are held, over all limits."""
        return sum(counters.held() for counters in self._counters.values())
