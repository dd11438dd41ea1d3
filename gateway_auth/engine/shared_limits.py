"""Limits counted by all nodes together, asked only while they may answer.

It knows no Redis, no request, and not what becomes of a request they do not answer (`engine.own_part`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.engine.own_part import OwnPart
from gateway_auth.ports import LimitStore


class SharedLimits:
    """`ports.LimitStore` over the counters of all, which have `own` as their fallback."""

    def __init__(self, shared: LimitStore, own: OwnPart, is_reachable: Callable[[], bool]) -> None:
        self.own = own
        self._shared = shared
        self._is_reachable = is_reachable

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        """The outcome out of shares in hand, or without the shared counters where they are known not to answer.

        What is spent of a share is not noted: that would cost as much as counting it. So this worker's part of a
        leased limit begins empty when an outage begins (docs/limits.md).
        """
        outcome = self._shared.take_now(limits, partitions)
        if outcome is not None:
            return outcome
        return None if self._is_reachable() else self.own.instead(limits, partitions, "open")

    def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> Awaitable[LimitOutcome]:
        """The outcome of the shared counters; without them when they fail. They are asked once."""
        return self._shared.take(limits, partitions)

    def look(self) -> None:
        """Whether the shared counters are asked has changed: known at once, also where no request comes."""
        if not self._is_reachable():
            self.own.failed("open")
        elif self.own.failure:
            self.own.recovered()
