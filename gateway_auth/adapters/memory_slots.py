"""Slots lent in this process: exact for one worker, never waiting. It knows partitions, no requests."""

from __future__ import annotations

from collections.abc import Sequence

from gateway_auth.core.ledger import HeldSlots, Ledger, lent, not_lent
from gateway_auth.core.limits import LimitOutcome, LimitSet

Name = tuple[str, str | int]


class MemorySlotStore:
    """`ports.SlotStore` in one process's memory, which ends with the process and so frees them."""

    def __init__(self) -> None:
        self._ledger: Ledger[Name] = Ledger()

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        """A slot of each, or none, at once."""
        names = [(limit.key, of) for limit, of in zip(limits.slots, partitions, strict=True)]
        is_lent, left = self._ledger.take(names, limits.rooms)
        if not is_lent:
            return not_lent(limits, left)
        return lent(left, HeldSlots(self._ledger.give_back, names))

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        """The same, for callers that wait."""
        return self.take_now(limits, partitions)

    def held(self) -> int:
        """How many slots are held, over all partitions."""
        return sum(self._ledger.values())
