"""Limits counted by all nodes together and, while that cannot be, as each limit says: here, not at all, or refused.

It decides which of the two stores counts a request. It knows no Redis beyond that it may be unavailable, and no
request (docs/decisions/0011-degraded-limits.md).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from gateway_auth.core.limit_choices import OnUnavailable
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.memo import Memo
from gateway_auth.core.outcome import DEPENDENCY_RETRY_SECONDS
from gateway_auth.core.shares import part_of
from gateway_auth.errors import RedisUnavailable
from gateway_auth.ports import Clock, LimitStore, LiveWorkers, LocalLimitStore

logger = logging.getLogger("gateway_auth.limits")

TELL_SECONDS = 10.0

_UNAVAILABLE = LimitOutcome(False, (), DEPENDENCY_RETRY_SECONDS, is_unavailable=True)


class _Plan(Struct, frozen=True):
    """What becomes of one set of limits here. `kept` are this worker's parts of those at `positions` of the set."""

    modes: frozenset[OnUnavailable]
    kept: LimitSet
    positions: tuple[int, ...]


class SharedLimits:
    """`ports.LimitStore` over the counters of all and those of this process.

    `failure` is the kind of what is wrong with the shared ones, empty while they count. `uncounted` is how many
    requests had limits of each mode that could not be counted with all others, `failures` how many could not by kind.

    What was admitted by the shared counters is noted here too, so that this worker's part is not given a second time
    when they fail. What is admitted here is not told to them when they return: they know what they counted.
    """

    def __init__(
        self,
        shared: LimitStore,
        is_reachable: Callable[[], bool],
        make_local: Callable[[], LocalLimitStore],
        workers: LiveWorkers,
        clock: Clock,
    ) -> None:
        self.failure = ""
        self.failures: Counter[str] = Counter()
        self.uncounted: Counter[OnUnavailable] = Counter()
        self._shared = shared
        self._is_reachable = is_reachable
        self._make_local = make_local
        self._workers = workers
        self._monotonic = clock.monotonic
        self._share = workers.share
        self._local = make_local()
        self._plans: Memo[LimitSet, _Plan] = Memo(self._plan)
        self._told_at = float("-inf")
        self._is_told = False

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        """The outcome out of shares in hand, or without the shared counters where they are known not to answer.

        What is spent of a share is not noted here: that would cost as much as counting it. So this worker's part of
        a leased limit begins empty when an outage begins (docs/limits.md).
        """
        outcome = self._shared.take_now(limits, partitions)
        if outcome is not None:
            return outcome
        if self._is_reachable():
            return None
        self._failed("open")
        self.failures["open"] += 1
        return self._take_here(limits, partitions)

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        """The outcome of the shared counters; without them when they fail. They are asked once."""
        try:
            outcome = await self._shared.take(limits, partitions)
        except RedisUnavailable as error:
            self._failed(error.kind)
            self.failures[error.kind] += 1
            return self._take_here(limits, partitions)
        if self.failure:
            self._recovered()
        if outcome.is_admitted:
            plan = self._plan_of(limits)
            if plan.kept:
                self._local.note(plan.kept, _at(plan.positions, partitions))
        return outcome

    def look(self) -> None:
        """Whether the shared counters are asked has changed: known at once, also where no request comes."""
        if not self._is_reachable():
            self._failed("open")
        elif self.failure:
            self._recovered()

    # -- without the shared counters -------------------------------------------------------------------------------

    def _take_here(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        plan = self._plan_of(limits)
        self.uncounted.update(plan.modes)
        if "deny" in plan.modes:
            return _UNAVAILABLE
        taken = self._local.take_now(plan.kept, _at(plan.positions, partitions))
        return LimitOutcome(taken.is_admitted, taken.status, taken.retry_after_seconds, taken.violated, plan.kept)

    def _plan_of(self, limits: LimitSet) -> _Plan:
        share = self._workers.share
        if share is not self._share:
            self._share = share
            # Windows of other parts: what they hold is for another limit.
            self._plans.clear()
            self._local = self._make_local()
        return self._plans[limits]

    def _plan(self, limits: LimitSet) -> _Plan:
        modes = frozenset(limit.on_unavailable for limit in limits.limits)
        if "deny" in modes:
            return _Plan(frozenset(("deny",)), LimitSet(), ())
        kept = [(position, limit) for position, limit in enumerate(limits.limits) if limit.on_unavailable == "local"]
        parts = LimitSet(part_of(limit, self._share) for _, limit in kept)
        return _Plan(modes, parts, tuple(position for position, _ in kept))

    # -- what is told of it ----------------------------------------------------------------------------------------

    def _failed(self, kind: str) -> None:
        if self.failure:
            if kind != "open":  # which says of itself only that something else came before
                self.failure = kind
            return
        self.failure = kind
        now = self._monotonic()
        # Shared counters that come and go would fill the log.
        self._is_told = now - self._told_at >= TELL_SECONDS
        if self._is_told:
            self._told_at = now
            why = "it is left alone" if kind == "open" else kind
            message = "limits are not counted in Redis (%s) but as on_unavailable says; local is 1/%d of each here"
            logger.warning(message, why, self._workers.share.workers)

    def _recovered(self) -> None:
        self.failure = ""
        if self._is_told:
            logger.warning("limits are counted in Redis again")


def _at(positions: tuple[int, ...], partitions: Sequence[str | int]) -> Sequence[str | int]:
    if len(positions) == len(partitions):
        return partitions
    return [partitions[position] for position in positions]
