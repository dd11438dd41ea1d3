"""Slots of all nodes together and, while nobody can count for all, as each limit says: here, not at all, or refused.

It decides who counts a request. It knows no Redis beyond that it may be unavailable, and no request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from gateway_auth.core.cachekey import slot_family, window_name
from gateway_auth.core.ledger import HeldSlots, lent, not_lent, part_of_slots
from gateway_auth.core.limit_choices import OnUnavailable
from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.memo import Memo
from gateway_auth.core.outcome import DEPENDENCY_RETRY_SECONDS
from gateway_auth.core.slots import SlotWish
from gateway_auth.engine.slot_teller import SlotTeller
from gateway_auth.errors import RedisUnavailable
from gateway_auth.ports import Clock, LiveWorkers, SlotTable

_UNAVAILABLE = LimitOutcome(False, (), DEPENDENCY_RETRY_SECONDS, is_unavailable=True)


class _Plan(Struct, frozen=True):
    """What becomes of one set of limits here: this worker has `rooms` of those `kept`, at `positions` of the set."""

    modes: frozenset[OnUnavailable]
    kept: LimitSet
    positions: tuple[int, ...]
    rooms: tuple[int, ...]


class SharedSlots:
    """`ports.SlotStore` of many workers. `uncounted` is how many requests could not be counted with all others.

    What this worker holds counts against its part in an outage, whoever lent it; and what it lent then is told when
    the table is back. So the table is never wrong for longer than it was away.
    """

    def __init__(self, table: SlotTable, is_reachable: Callable[[], bool], workers: LiveWorkers, clock: Clock) -> None:
        self.uncounted: Counter[OnUnavailable] = Counter()
        self._is_reachable = is_reachable
        self._workers = workers
        self._share = workers.share
        self._teller = SlotTeller(table, clock.monotonic)
        self._families: Memo[LimitSet, list[str]] = Memo(lambda limits: [slot_family(slot) for slot in limits.slots])
        self._plans: Memo[LimitSet, _Plan] = Memo(self._plan)

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        """The outcome without the table, where it is known that it would not answer."""
        return None if self._is_reachable() else self._take_here(limits, self._names(limits, partitions))

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        """The outcome of all workers; without them when the table fails."""
        names = self._names(limits, partitions)
        try:
            answer = await self._teller.ask(SlotWish(names, limits.rooms))
        except RedisUnavailable:
            return self._take_here(limits, names)
        if not answer.is_granted:
            return not_lent(limits, answer.left)
        return lent(answer.left, HeldSlots(self._teller.give_back, names))

    def look(self) -> None:
        """Whether the table is asked has changed: what it missed is told at once, and not when it is tried again."""
        if self._is_reachable():
            self._teller.renew()

    def held(self) -> int:
        """How many slots this worker holds, over all partitions."""
        return sum(self._teller.held.values())

    async def close(self) -> None:
        """Give up what waits, and everything that is held."""
        await self._teller.close()

    def _names(self, limits: LimitSet, partitions: Sequence[str | int]) -> list[bytes]:
        return [window_name(family, of) for family, of in zip(self._families[limits], partitions, strict=True)]

    # -- without the table -----------------------------------------------------------------------------------------

    def _take_here(self, limits: LimitSet, names: list[bytes]) -> LimitOutcome:
        plan = self._plan_of(limits)
        self.uncounted.update(plan.modes)
        if "deny" in plan.modes:
            return _UNAVAILABLE
        if not plan.rooms:
            return LimitOutcome(True, (), counted=plan.kept)
        names = [names[position] for position in plan.positions]
        is_lent, left = self._teller.take_here(names, plan.rooms)
        if not is_lent:
            return not_lent(plan.kept, left, plan.kept)
        return lent(left, HeldSlots(self._teller.give_back, names), plan.kept)

    def _plan_of(self, limits: LimitSet) -> _Plan:
        share = self._workers.share
        if share is not self._share:
            self._share = share
            self._plans.clear()
        return self._plans[limits]

    def _plan(self, limits: LimitSet) -> _Plan:
        modes = frozenset(limit.on_unavailable for limit in limits.slots)
        if "deny" in modes:
            return _Plan(frozenset(("deny",)), LimitSet(), (), ())
        kept = [(position, limit) for position, limit in enumerate(limits.slots) if limit.on_unavailable == "local"]
        rooms = tuple(part_of_slots(limit, self._share) for _, limit in kept)
        return _Plan(modes, LimitSet((), [limit for _, limit in kept]), tuple(place for place, _ in kept), rooms)
