"""This worker's part of limits that all workers count together: what each limit says for while that cannot be done.

It decides what a request is told then, and says once that it is so (docs/decisions/0011-degraded-limits.md).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from gateway_auth.core.limit_choices import OnUnavailable
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.memo import Memo
from gateway_auth.core.outcome import DEPENDENCY_RETRY_SECONDS
from gateway_auth.core.shares import part_of
from gateway_auth.ports import Clock, LiveWorkers, LocalLimitStore

logger = logging.getLogger("gateway_auth.limits")

TELL_SECONDS = 10.0

_UNAVAILABLE = LimitOutcome(False, (), DEPENDENCY_RETRY_SECONDS, is_unavailable=True)


class _Plan(Struct, frozen=True):
    """What becomes of one set of limits here. `kept` are this worker's parts of those at `positions` of the set."""

    modes: frozenset[OnUnavailable]
    kept: LimitSet
    positions: tuple[int, ...]


class OwnPart:
    """`ports.LimitFallback`: here, not at all, or refused, as each limit says.

    `failure` is the kind of what is wrong with the shared counters, empty while they count. `uncounted` is how many
    requests had limits of each mode that could not be counted with all others, `failures` how many could not by kind.

    What was admitted by the shared counters is noted here too, so that this worker's part is not given a second time
    when they fail. What is admitted here is not told to them when they return: they know what they counted.
    """

    def __init__(self, make_local: Callable[[], LocalLimitStore], workers: LiveWorkers, clock: Clock) -> None:
        self.failure = ""
        self.failures: Counter[str] = Counter()
        self.uncounted: Counter[OnUnavailable] = Counter()
        self._make_local = make_local
        self._workers = workers
        self._monotonic = clock.monotonic
        self._share = workers.share
        self._local = make_local()
        self._plans: Memo[LimitSet, _Plan] = Memo(self._plan)
        self._told_at = float("-inf")
        self._is_told = False

    def answered(self, admitted: Iterable[tuple[LimitSet, Sequence[str | int], int]]) -> None:
        """The shared counters count. What they admitted is noted."""
        if self.failure:
            self.recovered()
        for limits, partitions, times in admitted:
            plan = self._plan_of(limits)
            if plan.kept:
                self._local.note(plan.kept, _at(plan.positions, partitions), times)

    def instead(self, limits: LimitSet, partitions: Sequence[str | int], kind: str) -> LimitOutcome:
        """The outcome without the shared counters, and why it is without them."""
        self.failed(kind)
        self.failures[kind] += 1
        plan = self._plan_of(limits)
        self.uncounted.update(plan.modes)
        if "deny" in plan.modes:
            return _UNAVAILABLE
        taken = self._local.take_now(plan.kept, _at(plan.positions, partitions))
        return LimitOutcome(taken.is_admitted, taken.status, taken.retry_after_seconds, taken.violated, plan.kept)

    # -- this worker's part ----------------------------------------------------------------------------------------

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

    def failed(self, kind: str) -> None:
        """The shared counters do not count, or are known not to."""
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

    def recovered(self) -> None:
        """The shared counters count again."""
        self.failure = ""
        if self._is_told:
            logger.warning("limits are counted in Redis again")


def _at(positions: tuple[int, ...], partitions: Sequence[str | int]) -> Sequence[str | int]:
    if len(positions) == len(partitions):
        return partitions
    return [partitions[position] for position in positions]
