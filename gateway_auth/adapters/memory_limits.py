"""Limits counted in this process: exact for one worker, never waiting. It brings the time and keeps the counters."""

from __future__ import annotations

from collections.abc import Sequence

from gateway_auth.core.counters import Counters, take_all
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.memo import Memo
from gateway_auth.core.windows import MICROSECONDS
from gateway_auth.ports import Clock


class MemoryLimitStore:
    """`ports.LimitStore` in one process's memory."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._now = clock.now
        self._counters: dict[str, Counters] = {}
        self._of: Memo[LimitSet, list[Counters]] = Memo(self._find)

    def _find(self, limits: LimitSet) -> list[Counters]:
        """The counters of each limit; a limit of two sets (a plan on many routes) has one."""
        return [self._counters.setdefault(limit.key, Counters(limit)) for limit in limits.limits]

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        """All limits or none, at once."""
        monotonic = self._monotonic
        now = int(monotonic() * MICROSECONDS)
        utc = int(self._now() * MICROSECONDS) if limits.is_utc_needed else 0
        return take_all(limits, self._of[limits], partitions, now, utc)

    def note(self, limits: LimitSet, partitions: Sequence[str | int], times: int = 1) -> None:
        """Count requests admitted elsewhere, each limit by itself and as far as there is room in it."""
        now = int(self._monotonic() * MICROSECONDS)
        utc = int(self._now() * MICROSECONDS) if limits.is_utc_needed else 0
        for counters, partition, cost in zip(self._of[limits], partitions, limits.costs, strict=True):
            window = counters[partition] if now < counters.rotate_at else counters.age(now, partition)
            window = window or counters.add(partition)
            if window.take(cost * times, now, utc) is None:
                for _ in range(times - 1):
                    if window.take(cost, now, utc) is None:
                        break

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        """The same, for callers that wait."""
        return self.take_now(limits, partitions)

    def partitions(self) -> int:
        """How many windows are held, over all limits."""
        return sum(counters.held() for counters in self._counters.values())
