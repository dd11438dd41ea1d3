"""One worker of leased limits, with a clock moved by hand."""

from __future__ import annotations

from collections.abc import Callable

from gateway_auth.adapters.memory_limits import MemoryLimitStore
from gateway_auth.core.limits import Limit, LimitOutcome, LimitSet
from gateway_auth.engine.leases import LeasedLimits
from tests.engine.fleet import NEVER
from tests.engine.lending import Lending, S
from tests.fakes import FakeClock, limit, ticks

BUSY = LimitSet((limit("busy", "60000/minute"),))
PACE = 0.001


class Bench:
    """One worker over counters all share."""

    def __init__(self, *, are_leased: Callable[[Limit], bool] = lambda _: True, sweep_seconds: float = NEVER) -> None:
        self.clock = FakeClock()
        self.shares = Lending(lambda: int(self.clock.now() * S))
        self.exact = MemoryLimitStore(self.clock)
        self.limits = LeasedLimits(self.exact, self.shares, self.clock, are_leased, sweep_seconds=sweep_seconds)

    async def take(self, limits: LimitSet, partitions: list[str | int] | None = None) -> LimitOutcome:
        """As the pipeline does."""
        partitions = partitions or ["alice"] * len(limits.limits)
        outcome = self.limits.take_now(limits, partitions) or await self.limits.take(limits, partitions)
        await ticks(4)
        return outcome

    async def warm(self, limits: LimitSet = BUSY, times: int = 200, partitions: list[str | int] | None = None) -> None:
        """Many requests, so that shares are worth taking."""
        for _ in range(times):
            assert (await self.take(limits, partitions)).is_admitted
            self.clock.advance(PACE)

    def charged(self, limits: LimitSet = BUSY) -> int:
        """What the counters hold of the first limit."""
        rate = limits.limits[0].rate
        (window,) = (window for (key, _), window in self.shares.windows.items() if key == limits.limits[0].key)
        return rate.capacity - window.left(int(self.clock.now() * S))
