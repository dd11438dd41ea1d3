"""What was used: counted in memory, written in batches, kept while the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway_auth.adapters.system import SystemRandom
from gateway_auth.core.usage import UsageBatch
from gateway_auth.engine import bookkeeping, usage
from gateway_auth.engine.bookkeeping import Bookkeeper
from gateway_auth.engine.housekeeping import Housekeeper
from gateway_auth.engine.usage import UsageLedger, UsageTally
from gateway_auth.errors import StoreUnavailable
from tests.adapters.conformance_usage import place_of
from tests.fakes import START, FakeClock, address

MINUTE = int(START) // 60 * 60


class Sink:
    """Takes batches, unless it is down."""

    def __init__(self) -> None:
        self.batches: list[UsageBatch] = []
        self.failure: Exception | None = None
        self.is_slow = False
        self.was_asked = asyncio.Event()

    async def add_usage(self, batch: UsageBatch) -> None:
        self.was_asked.set()
        if self.is_slow:
            await asyncio.sleep(60)
        if self.failure is not None:
            raise self.failure
        self.batches.append(batch)


def a_tally() -> UsageTally:
    return UsageTally(START)


def a_writer(tally: UsageTally, sink: Sink) -> Bookkeeper:
    return Bookkeeper((UsageLedger(tally, sink, FakeClock()),), SystemRandom())


def note(tally: UsageTally, keys: Sequence[str | None], status: int = 200) -> None:
    for key_id in keys:
        tally.note(key_id, "orders", status, address("192.0.2.1"))


def test_requests_are_counted_by_key_route_and_class() -> None:
    tally = a_tally()
    note(tally, ["key1", "key1", "key2", None])
    note(tally, ["key1"], 429)
    note(tally, ["key1"], 404)
    tally.note("key1", "other", 101, None)
    assert tally.take(START + 5) == UsageBatch(
        at=MINUTE,
        counts={
            ("key1", "orders", 2): 2,
            ("key2", "orders", 2): 1,
            ("", "orders", 2): 1,
            ("key1", "orders", 4): 2,
            ("key1", "other", 1): 1,
        },
        last_used={"key1": (int(START) + 5, None), "key2": (int(START) + 5, "192.0.2.1")},
        networks={"key1": {place_of("192.0.2.0")}, "key2": {place_of("192.0.2.0")}},
    )


def test_a_batch_belongs_to_the_minute_it_began_in_and_nothing_is_no_batch() -> None:
    tally = a_tally()
    assert tally.take(START + 100) is None
    note(tally, ["key1"])
    batch = tally.take(START + 161)
    assert batch is not None
    assert batch.at == int(START + 100) // 60 * 60


def test_however_many_keys_there_are_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MAX_MARKS", 3)
    tally = a_tally()
    note(tally, ["a", "b", "c", "d", "e", "a"])
    batch = tally.take(START)
    assert batch is not None
    assert (dict(batch.counts), tally.left_out) == ({(key, "orders", 2): 1 + (key == "a") for key in "abc"}, 2)
    note(tally, ["x", "y"])
    tally.give_back(batch)
    again = tally.take(START)
    assert again is not None
    assert len(again.counts) == 3
    assert len(again.last_used) <= 3 + 2


def test_every_network_a_key_is_used_from_is_seen_and_no_more_than_some() -> None:
    tally = a_tally()
    for text in ("192.0.2.1", "198.51.100.1", "192.0.2.9", "2001:db8::1", "2001:db8:0:1::1", "198.51.100.7"):
        tally.note("key1", "orders", 200, address(text))
    tally.note("key2", "orders", 200, None)
    for number in range(5 * usage.MAX_PLACES):
        tally.note("key3", "orders", 200, address(f"10.0.{number}.1"))
    batch = tally.take(START)
    assert batch is not None
    assert batch.networks["key1"] == {place_of(text) for text in ("192.0.2.0", "198.51.100.0", "2001:db8::")}
    assert {key_id: len(places) for key_id, places in batch.networks.items()} == {"key1": 3, "key3": usage.MAX_PLACES}


async def test_a_network_is_written_once_a_day_by_each_worker() -> None:
    tally, sink, clock = a_tally(), Sink(), FakeClock()
    writer = UsageLedger(tally, sink, clock)
    written = []
    for seconds in (0, 60, 86400, 60):
        clock.advance(seconds)
        tally.take(clock.now())
        note(tally, ["key1"])
        await writer.write()
        written.append(dict(sink.batches[-1].networks))
    note(tally, ["key1"])
    tally.note("key1", "orders", 200, address("198.51.100.1"))
    await writer.write()
    assert written == [{"key1": [place_of("192.0.2.0")]}, {}] * 2
    assert sink.batches[-1].networks == {"key1": [place_of("198.51.100.0")]}


async def test_a_network_that_was_not_written_is_written_later() -> None:
    tally, sink = a_tally(), Sink()
    writer = a_writer(tally, sink)
    note(tally, ["key1"])
    sink.failure = StoreUnavailable("down")
    await writer.write()
    sink.failure = None
    tally.note("key1", "orders", 200, address("198.51.100.1"))
    await writer.write()
    assert sorted(sink.batches[-1].networks["key1"]) == [place_of("192.0.2.0"), place_of("198.51.100.0")]


async def test_what_the_store_does_not_take_is_written_later() -> None:
    tally, sink = a_tally(), Sink()
    writer = a_writer(tally, sink)
    note(tally, ["key1", "key2"])
    sink.failure = StoreUnavailable("down")
    for _ in range(3):
        await writer.write()
    note(tally, ["key1"])
    sink.failure = None
    await writer.write()
    (batch,) = sink.batches
    assert batch.counts == {("key1", "orders", 2): 2, ("key2", "orders", 2): 1}
    assert set(batch.last_used) == {"key1", "key2"}
    await writer.write()
    assert len(sink.batches) == 1


async def test_an_outage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    tally, sink = a_tally(), Sink()
    writer = a_writer(tally, sink)
    note(tally, ["key1"])
    sink.failure = StoreUnavailable("the store is down")
    for _ in range(3):
        await writer.write()
    assert [record.getMessage() for record in caplog.records] == [
        "what is used is counted but cannot be recorded: the store is down"
    ]


async def test_it_writes_by_itself_even_after_a_bug_and_once_more_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeping, "WRITE_SECONDS", 0.01)
    tally, sink = a_tally(), Sink()
    writer = a_writer(tally, sink)
    sink.failure = RuntimeError("a bug")
    note(tally, ["key1"])
    writer.start()
    await sink.was_asked.wait()
    sink.was_asked.clear()
    sink.failure = None
    note(tally, ["key2"])
    await sink.was_asked.wait()
    note(tally, ["key3"])
    await writer.stop()
    assert {key for batch in sink.batches for key in batch.last_used} >= {"key2", "key3"}


async def test_a_slow_store_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeping, "CLOSE_SECONDS", 0.01)
    tally, sink = a_tally(), Sink()
    sink.is_slow = True
    note(tally, ["key1"])
    await a_writer(tally, sink).stop()
    assert sink.batches == []


class Care:
    """ports.StoreCare that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, ...]] = []

    async def prune_changes(self, before: float) -> int:
        self.asked.append((before,))
        return 0

    async def prune_usage(self, *, minutes_before: float, all_before: float) -> None:
        self.asked.append((minutes_before, all_before))


async def test_housekeeping_keeps_a_day_of_changes_two_days_of_minutes_and_the_days_configured() -> None:
    care = Care()
    await Housekeeper(care, FakeClock(), SystemRandom(), usage_days=30).keep()
    day = 86400
    assert care.asked == [(START - day,), (START - 2 * day, START - 30 * day)]
