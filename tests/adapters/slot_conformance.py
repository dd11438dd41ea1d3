"""What every `ports.SlotStore` does, whoever keeps count. Mixed into the tests of each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import count

import pytest

from gateway_auth.core.limits import LimitOutcome, LimitSet
from gateway_auth.core.slots import SlotLimit
from gateway_auth.ports import SlotStore

_numbers = count(1)


def slots(room: int, name: str = "at-once", **more: object) -> SlotLimit:
    """A limit nobody else has."""
    return SlotLimit(id=name, key=f"{name}:{next(_numbers)}", slots=room, by="key", **more)  # type: ignore[arg-type] # a table's text


def of(*limits: SlotLimit) -> LimitSet:
    return LimitSet((), limits)


async def take(store: SlotStore, limits: LimitSet, *partitions: str | int) -> LimitOutcome:
    """As the pipeline does."""
    return store.take_now(limits, partitions) or await store.take(limits, partitions)


def release(outcomes: Sequence[LimitOutcome]) -> None:
    for outcome in outcomes:
        assert outcome.held is not None
        outcome.held.release()


class SlotStoreConformance:
    """Each test gets a store that holds nothing."""

    @pytest.fixture
    async def store(self) -> SlotStore:
        raise NotImplementedError

    def held(self, store: SlotStore) -> int:
        raise NotImplementedError

    async def test_five_hold_the_sixth_waits_until_one_is_done(self, store: SlotStore) -> None:
        limits = of(slots(5))
        five = [await take(store, limits, "alice") for _ in range(5)]
        assert [outcome.status for outcome in five] == [(4,), (3,), (2,), (1,), (0,)]
        sixth = await take(store, limits, "alice")
        assert (sixth.is_admitted, sixth.status, sixth.violated) == (False, (0,), ("at-once",))
        assert (sixth.retry_after_seconds, sixth.held) == (1, None)
        release(five[:1])
        assert (await take(store, limits, "alice")).is_admitted
        assert not (await take(store, limits, "alice")).is_admitted

    async def test_partitions_are_apart(self, store: SlotStore) -> None:
        limits = of(slots(1))
        for partition in ("alice", "bob", 0, -1, 2**64, "0", "", "\udcff", "x" * 10_000):
            assert (await take(store, limits, partition)).is_admitted
        assert not (await take(store, limits, "bob")).is_admitted

    async def test_limits_are_apart_and_one_of_two_sets_is_one(self, store: SlotStore) -> None:
        one, other = slots(1), slots(1)
        assert (await take(store, of(one), "alice")).is_admitted
        assert (await take(store, of(other), "alice")).is_admitted
        assert not (await take(store, of(one), "alice")).is_admitted

    async def test_all_are_taken_or_none(self, store: SlotStore) -> None:
        both = of(wide := slots(5, "wide"), narrow := slots(1, "narrow"))
        first = await take(store, both, "alice", "everybody")
        assert first.status == (4, 0)
        refused = await take(store, both, "bob", "everybody")
        assert (refused.status, refused.violated) == ((5, 0), ("narrow",))
        assert (await take(store, of(wide), "bob")).status == (4,)
        release([first])
        assert (await take(store, of(narrow), "everybody")).is_admitted

    async def test_a_release_counts_once(self, store: SlotStore) -> None:
        limits = of(slots(2))
        held = [await take(store, limits, "alice") for _ in range(2)]
        release(held[:1] * 3)
        assert (await take(store, limits, "alice")).is_admitted
        assert not (await take(store, limits, "alice")).is_admitted

    async def test_a_limit_that_was_lowered_lends_none_until_there_is_room(self, store: SlotStore) -> None:
        before = slots(5)
        after = SlotLimit(id="at-once", key=before.key, slots=2, by="key")
        held = [await take(store, of(before), "alice") for _ in range(4)]
        release(held[:2])
        refused = await take(store, of(after), "alice")
        assert (refused.is_admitted, refused.status) == (False, (0,))
        release(held[2:3])
        assert (await take(store, of(after), "alice")).is_admitted

    async def test_many_at_the_same_time_are_never_one_too_many(self, store: SlotStore) -> None:
        limits = of(slots(7))
        outcomes = await asyncio.gather(*(take(store, limits, "alice") for _ in range(300)))
        admitted = [outcome for outcome in outcomes if outcome.is_admitted]
        assert len(admitted) == 7
        release(admitted)
        assert self.held(store) == 0

    async def test_ten_thousand_that_are_cancelled_anywhere_leave_no_slot_held(self, store: SlotStore) -> None:
        limits = of(slots(3), slots(40))
        chance = random.Random(13)

        async def request(number: int) -> None:
            outcome = await take(store, limits, number % 20, "everybody")
            try:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                if outcome.held is not None:
                    outcome.held.release()

        for first in range(0, 10_000, 100):
            tasks = [asyncio.create_task(request(number)) for number in range(first, first + 100)]
            for task in tasks:
                if chance.random() < 0.2:
                    await asyncio.sleep(0)
                if chance.random() < 0.7:
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert self.held(store) == 0
        everybody = [await take(store, limits, number, "everybody") for number in range(14) for _ in range(3)]
        assert sum(outcome.is_admitted for outcome in everybody) == 40
