"""Who holds how many slots, as far as one process knows. It knows neither requests nor other processes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.shares import Share
from gateway_auth.core.slots import Held, SlotLimit

RETRY_SECONDS = 1
"""What a refused client is told to wait: nobody knows when a request that is under way will end."""

Name = TypeVar("Name", bound=Hashable)


class Ledger(dict[Name, int], Generic[Name]):
    """How many slots are held here, by name. What is not held is not in it, so that it is as large as what runs."""

    __slots__ = ()

    def take(self, names: Sequence[Name], rooms: Sequence[int]) -> tuple[bool, tuple[int, ...]]:
        """A slot of each name, or none: whether they were taken, and how many are left of each then."""
        left = [room - self.get(name, 0) for name, room in zip(names, rooms, strict=True)]
        if min(left) < 1:
            return False, tuple(max(0, places) for places in left)  # less than none: the room has shrunk
        self.add(names)
        return True, tuple(places - 1 for places in left)

    def add(self, names: Sequence[Name]) -> None:
        """Hold one more of each."""
        for name in names:
            self[name] = self.get(name, 0) + 1

    def give_back(self, names: Sequence[Name]) -> None:
        """Hold one less of each. Only what is held can be given back."""
        for name in names:
            count = self[name] - 1
            if count:
                self[name] = count
            else:
                del self[name]


class HeldSlots(Generic[Name]):
    """`slots.Held` of whoever keeps the ledger."""

    __slots__ = ("_give_back", "_names")

    def __init__(self, give_back: Callable[[Sequence[Name]], None], names: Sequence[Name]) -> None:
        self._give_back = give_back
        self._names = names

    def release(self) -> None:
        """Give them back, once."""
        names, self._names = self._names, ()
        if names:
            self._give_back(names)


def part_of_slots(limit: SlotLimit, share: Share) -> int:
    """The slots one worker may lend while nobody can count for all. The parts of all together are the limit."""
    each, left_over = divmod(limit.slots, share.workers)
    return each + (share.rank < left_over)


def lent(left: tuple[int, ...], held: Held, counted: LimitSet | None = None) -> LimitOutcome:
    """What a request that holds its slots is told."""
    return LimitOutcome(True, left, counted=counted, held=held)


def not_lent(limits: LimitSet, left: tuple[int, ...], counted: LimitSet | None = None) -> LimitOutcome:
    """What a request is told for which one of `limits.slots` has no slot left."""
    violated = tuple(limit.id for limit, places in zip(limits.slots, left, strict=True) if not places)
    return LimitOutcome(False, left, RETRY_SECONDS, violated, counted)
