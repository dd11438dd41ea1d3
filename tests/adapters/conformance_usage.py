"""What every store must do with usage. A test module subclasses this with a `store` fixture."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from gateway_auth.core.activity import MAX_NETWORKS, Activity, Moment
from gateway_auth.core.network import neighbourhood_of
from gateway_auth.core.usage import Mark, UsageBatch, UsageQuestion, UsageRow
from gateway_auth.ports import NewDigest
from tests.adapters.conformance import save
from tests.adapters.stores import Store, app, key
from tests.fakes import address as parsed

HOUR = 3600
DAY = 24 * HOUR
START = 20_000 * DAY
NOW = Moment(START + 30 * DAY + 1800)


class UsageConformance:
    """UsageSink, UsageReader and the usage part of StoreCare."""

    async def test_batches_add_up_by_minute_key_route_and_class(self, store: Store) -> None:
        first: dict[Mark, int] = {("key1", "orders", 2): 3, ("key1", "orders", 4): 1, ("", "health", 2): 7}
        await store.add_usage(UsageBatch(START, first, {}))
        await store.add_usage(UsageBatch(START, {("key1", "orders", 2): 2}, {}))
        await store.add_usage(UsageBatch(START + 60, {("key1", "orders", 2): 5}, {}))
        assert await store.usage_sums(ask()) == [
            UsageRow(START, "", "health", 2, 7),
            UsageRow(START, "key1", "orders", 2, 5),
            UsageRow(START, "key1", "orders", 4, 1),
            UsageRow(START + 60, "key1", "orders", 2, 5),
        ]
        assert [row.count for row in await store.usage_sums(ask(bucket_seconds=HOUR))] == [7, 10, 1]

    async def test_a_question_has_an_end_a_beginning_and_a_limit(self, store: Store) -> None:
        for minute in range(5):
            await store.add_usage(UsageBatch(START + 60 * minute, {("key1", "orders", 2): 1}, {}))
        found = await store.usage_sums(ask(since=START + 60, until=START + 240))
        assert [row.at for row in found] == [START + 60, START + 120, START + 180]
        assert [row.at for row in await store.usage_sums(ask(limit=2))] == [START, START + 60]

    async def test_usage_of_one_key_or_one_app(self, store: Store) -> None:
        for key_id in ("key1", "key2"):
            await save(store, app(), key(key_id))
        await save(store, app("app_2"), key("key3", "app_2"))
        counts: dict[Mark, int] = {(key_id, "orders", 2): 1 for key_id in ("key1", "key2", "key3", "")}
        await store.add_usage(UsageBatch(START, counts, {}))
        assert [row.key_id for row in await store.usage_sums(ask(key_id="key2"))] == ["key2"]
        assert [row.key_id for row in await store.usage_sums(ask(app_id="app_1"))] == ["key1", "key2"]
        assert await store.usage_sums(ask(app_id="nobody")) == []

    async def test_the_latest_use_stays_and_is_no_change(self, store: Store) -> None:
        unused = replace(key(), last_used_at=None, last_used_address=None)
        await save(store, app(), unused)
        revision = await store.current_revision()
        for at, address in ((START, "192.0.2.1"), (START + 5, "2001:db8::1"), (START + 1, "192.0.2.2")):
            await store.add_usage(UsageBatch(START, {}, {"key1": (at, address), "deleted": (at, None)}))
        found = (await store.read_key("key1")).key
        assert found == replace(unused, last_used_at=START + 5, last_used_address="2001:db8::1")
        assert await store.current_revision() == revision

    async def test_a_use_without_an_address_is_one(self, store: Store) -> None:
        await save(store, app(), replace(key(), last_used_at=None, last_used_address=None))
        await store.add_usage(UsageBatch(START, {}, {"key1": (START, None)}))
        found = (await store.read_key("key1")).key
        assert found is not None
        assert (found.last_used_at, found.last_used_address) == (START, None)

    async def test_many_workers_add_at_once(self, store: Store) -> None:
        for number in range(20):
            await save(store, app(), key(f"key{number}"))
        counts: dict[Mark, int] = {(f"key{number}", "orders", 2): 1 for number in range(20)}
        last_used = {f"key{number}": (START, "192.0.2.1") for number in range(20)}
        await asyncio.gather(*(store.add_usage(UsageBatch(START, counts, last_used)) for _ in range(10)))
        assert {row.count for row in await store.usage_sums(ask())} == {10}

    async def test_old_usage_is_kept_by_the_hour_then_not_at_all(self, store: Store) -> None:
        mark = ("key1", "orders", 2)
        for at in (START - 9 * DAY, START, START + 60, START + HOUR - 60, START + HOUR, START + 2 * HOUR + 60):
            await store.add_usage(UsageBatch(at, {mark: 1}, {}))
        for _ in range(2):
            await store.prune_usage(minutes_before=START + 2 * HOUR + 1800, all_before=START - 9 * DAY + 60)
            rows = await store.usage_sums(ask(since=0))
            assert [(row.at, row.count) for row in rows] == [(START, 3), (START + HOUR, 1), (START + 2 * HOUR + 60, 1)]
        await store.add_usage(UsageBatch(START, {mark: 1}, {}))
        await store.prune_usage(minutes_before=START + DAY, all_before=0)
        rows = await store.usage_sums(ask(since=0))
        assert [(row.at, row.count) for row in rows] == [(START, 4), (START + HOUR, 1), (START + 2 * HOUR, 1)]


class ActivityConformance:
    """UsageReader.key_activity, and the networks of UsageSink."""

    async def test_the_last_hour_is_told_apart_from_the_days_before(self, store: Store) -> None:
        await save(store, app(), key("key1"))
        await save(store, app(), key("key2"))
        for at, status_class, count in (
            (NOW.history - 60, 2, 1000),  # too old
            (NOW.history, 2, 3),
            (NOW.last_hour - 2 * DAY, 2, 40), (NOW.last_hour - 2 * DAY, 4, 7),
            (NOW.last_hour - 60, 2, 5),
            (NOW.last_hour, 2, 11), (NOW.now - 60, 4, 2),
        ):  # fmt: skip
            await store.add_usage(UsageBatch(at, {("key1", "orders", status_class): count}, {}))
            await store.add_usage(UsageBatch(at, {("deleted", "orders", status_class): count}, {}))
        await store.add_usage(UsageBatch(NOW.last_day - 60, {("key2", "orders", 2): 9}, {}))
        assert await store.key_activity(NOW, limit=10) == [
            Activity(
                key_id="key1", count=13, refused=2, past_count=55, past_refused=7, busiest_hour=47,
                past_since=NOW.history - NOW.history % HOUR,
            )
        ]  # fmt: skip

    async def test_keys_come_in_order_page_by_page_and_of_one_owner(self, store: Store) -> None:
        await save(store, replace(app(), owner="alice"), key("key1"))
        await save(store, replace(app(), owner="alice"), key("key2"))
        await save(store, replace(app("app_2"), owner="bob"), key("key3", "app_2"))
        counts: dict[Mark, int] = {(key_id, "orders", 2): 1 for key_id in ("key3", "key1", "key2", "")}
        await store.add_usage(UsageBatch(NOW.last_hour, counts, {}))
        assert [one.key_id for one in await store.key_activity(NOW, limit=2)] == ["key1", "key2"]
        assert [one.key_id for one in await store.key_activity(NOW, limit=2, after="key2")] == ["key3"]
        assert [one.key_id for one in await store.key_activity(NOW, limit=9, owner="bob")] == ["key3"]
        assert await store.key_activity(NOW, limit=9, after="key1", owner="nobody") == []

    async def test_networks_are_known_by_when_they_were_seen_first(self, store: Store) -> None:
        await save(store, app(), key("key1"))
        for at, address in (
            (NOW.now - 20 * DAY, "192.0.2.1"),
            (NOW.now - 3 * HOUR, "192.0.2.200"),
            (NOW.now - 2 * HOUR, "2001:db8:1:2::3"),
            (NOW.now - HOUR, "2001:db8:1:ffff::3"),
        ):
            batch = UsageBatch(at, {("key1", "orders", 2): 1}, {}, {"key1": [place_of(address)]})
            await store.add_usage(batch)
        (found,) = await store.key_activity(NOW, limit=10)
        assert (found.networks, found.networks_since) == (2, NOW.now - 20 * DAY)
        assert found.new_networks == (("2001:db8:1::/48", NOW.now - 2 * HOUR),)
        await store.prune_usage(minutes_before=0, all_before=NOW.now - 3 * HOUR)
        (found,) = await store.key_activity(NOW, limit=10)
        assert (found.networks, found.networks_since) == (2, NOW.now - 20 * DAY)
        await store.prune_usage(minutes_before=0, all_before=NOW.now - 2 * HOUR)
        (found,) = await store.key_activity(NOW, limit=10)
        assert found.networks == 1

    async def test_a_key_that_is_everywhere_fills_nothing(self, store: Store) -> None:
        await save(store, app(), key("key1"))
        places = [place_of(f"10.{number // 200}.{number % 200}.1") for number in range(2 * MAX_NETWORKS)]
        for at in (NOW.now - 60, NOW.now):
            await store.add_usage(UsageBatch(at, {("key1", "orders", 2): 1}, {}, {"key1": places}))
        (found,) = await store.key_activity(NOW, limit=10)
        assert found.networks == MAX_NETWORKS

    async def test_many_workers_note_networks_at_once(self, store: Store) -> None:
        await save(store, app(), key("key1"))
        places = [place_of(f"10.0.{number}.1") for number in range(10)]
        batch = UsageBatch(NOW.now, {("key1", "orders", 2): 1}, {}, {"key1": places})
        await asyncio.gather(*(store.add_usage(batch) for _ in range(8)))
        (found,) = await store.key_activity(NOW, limit=10)
        assert (found.networks, found.count) == (10, 8)


def place_of(text: str) -> int:
    """Where an address belongs to."""
    return neighbourhood_of(parsed(text))


def ask(
    *,
    since: int = START,
    until: int = START + DAY,
    bucket_seconds: int = 60,
    limit: int = 100,
    key_id: str | None = None,
    app_id: str | None = None,
) -> UsageQuestion:
    """A question about one day."""
    return UsageQuestion(
        since=since, until=until, bucket_seconds=bucket_seconds, limit=limit, key_id=key_id, app_id=app_id
    )


class DigestConformance:
    """DigestStore."""

    async def test_a_digest_is_replaced_where_it_is_still_the_one_expected(self, store: Store) -> None:
        await save(store, app(), key("key1"))
        await save(store, app(), key("key2"))
        revision = await store.current_revision()
        old = key().digest
        await store.replace_digests(
            [
                NewDigest("key1", old, b"new", "0011223344556677"),
                NewDigest("key2", b"another", b"new", "0011223344556677"),
                NewDigest("deleted", old, b"new", "0011223344556677"),
            ]
        )
        assert (await store.read_key("key1")).key == replace(key("key1"), digest=b"new", pepper_id="0011223344556677")
        assert (await store.read_key("key2")).key == key("key2")
        assert await store.current_revision() == revision
