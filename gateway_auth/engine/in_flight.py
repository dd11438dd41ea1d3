"""Requests at once and rates as one: a refused request holds no slot and is charged nothing.

It decides in which order the two are taken, and gives a slot back when the rate refuses. It counts neither itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from msgspec.structs import replace

from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.memo import Memo
from gateway_auth.ports import LimitStore, SlotStore

T = TypeVar("T")


class InFlightLimits:
    """`ports.LimitStore` over a store of rates and one of slots.

    Slots are taken first: they can be given back exactly as they were, which a charge in a shared counter cannot.
    """

    def __init__(self, rates: LimitStore, slots: SlotStore) -> None:
        self._rates = rates
        self._slots = slots
        self._both: Memo[tuple[LimitSet, LimitSet], LimitSet] = Memo(lambda pair: pair[0].joined(pair[1]))

    def take_now(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome | None:
        """The outcome where neither has to be waited for. None has taken nothing."""
        if not limits.slots:
            return self._rates.take_now(limits, partitions)
        of_rates, of_slots = _split(limits, partitions)
        slots = self._slots.take_now(limits.in_flight, of_slots)
        if slots is None or not slots.is_admitted or not of_rates:
            return slots and _alone(limits, slots)
        try:
            rates = self._rates.take_now(limits.rates, of_rates)
        except BaseException:
            _release(slots)
            raise
        if rates is None:
            _release(slots)
            return None
        return self._together(limits, slots, rates)

    async def take(self, limits: LimitSet, partitions: Sequence[str | int]) -> LimitOutcome:
        """The outcome. A caller cancelled meanwhile holds nothing."""
        if not limits.slots:
            return await self._rates.take(limits, partitions)
        of_rates, of_slots = _split(limits, partitions)
        slots = self._slots.take_now(limits.in_flight, of_slots) or await self._slots.take(limits.in_flight, of_slots)
        if not slots.is_admitted or not of_rates:
            return _alone(limits, slots)
        try:
            # Asked for at once again: if the slots were waited for in vain, the rates will not be.
            rates = self._rates.take_now(limits.rates, of_rates) or await self._rates.take(limits.rates, of_rates)
        except BaseException:
            _release(slots)
            raise
        return self._together(limits, slots, rates)

    def _together(self, limits: LimitSet, slots: LimitOutcome, rates: LimitOutcome) -> LimitOutcome:
        """What the two came to, told in the order of `LimitSet`: rates, then slots."""
        left = slots.status
        if not rates.is_admitted:
            _release(slots)
            left = tuple(places + 1 for places in left)
        counted = None
        if rates.counted is not None or slots.counted is not None:
            counted = self._both[
                limits.rates if rates.counted is None else rates.counted,
                limits.in_flight if slots.counted is None else slots.counted,
            ]
        held = slots.held if rates.is_admitted else None
        return replace(rates, status=rates.status + left, counted=counted, held=held)


def _split(limits: LimitSet, partitions: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    count = len(limits.limits)
    return partitions[:count], partitions[count:]


def _alone(limits: LimitSet, slots: LimitOutcome) -> LimitOutcome:
    """The slots' outcome where no rate was taken: then none is told either."""
    if slots.counted is not None or slots.is_unavailable or not limits.limits:
        return slots
    return replace(slots, counted=limits.in_flight)


def _release(slots: LimitOutcome) -> None:
    if slots.held is not None:
        slots.held.release()
