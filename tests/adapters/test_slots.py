"""Slots of one process. Those of many are tested with Redis."""

from __future__ import annotations

import pytest

from gateway_auth.adapters.memory_slots import MemorySlotStore
from gateway_auth.ports import SlotStore
from tests.adapters.slot_conformance import SlotStoreConformance, of, release, slots, take


class TestMemorySlotStore(SlotStoreConformance):
    @pytest.fixture
    async def store(self) -> SlotStore:
        return MemorySlotStore()

    def held(self, store: SlotStore) -> int:
        assert isinstance(store, MemorySlotStore)
        return store.held()


async def test_partitions_nobody_holds_take_no_room() -> None:
    store = MemorySlotStore()
    limits = of(slots(1))
    release([await take(store, limits, number) for number in range(10_000)])
    assert not store._ledger


async def test_it_always_knows_at_once() -> None:
    store = MemorySlotStore()
    limits = of(slots(1))
    assert store.take_now(limits, ["alice"]).is_admitted
    assert not (await store.take(limits, ["alice"])).is_admitted
