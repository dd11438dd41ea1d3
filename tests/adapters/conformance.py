"""What every store must do. A test module subclasses this with a `store` fixture."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.ports import Change, ChangeBatch, KeyReading, RevocationReading
from tests.adapters.stores import Store, add_change, app, event, key


class Refused(Exception):
    """Raised inside a transaction to have it rolled back."""


class StoreConformance:
    """KeyStore, ChangeFeed and Registry together."""

    async def test_an_empty_store_stands_at_revision_0(self, store: Store) -> None:
        assert await store.current_revision() == 0
        assert await store.changes_since(0) == ChangeBatch(0)
        assert await store.read_key("nothing") == KeyReading(0)
        assert await store.read_revocations(0) == RevocationReading(0)

    async def test_a_saved_key_is_read_with_its_app_and_every_field(self, store: Store) -> None:
        await save(store, app(), key())
        assert await store.read_key("key1") == KeyReading(1, key(), app())

    async def test_a_key_of_defaults_is_read_as_it_was_saved(self, store: Store) -> None:
        plain = KeyRecord(
            id="k", app_id="app_1", environment="live", digest=b"", pepper_id="p", created_at=0, created_by=""
        )
        plain_app = AppRecord(id="app_1", name="", created_at=0, created_by="")
        await save(store, plain_app, plain)
        assert await store.read_key("k") == KeyReading(1, plain, plain_app)

    async def test_saving_again_replaces(self, store: Store) -> None:
        await save(store, app(), key())
        async with store.transaction() as transaction:
            await transaction.keys.save(replace(key(), status="revoked", scopes=()))
        assert (await store.read_key("key1")).key == replace(key(), status="revoked", scopes=())

    async def test_a_deleted_key_is_gone_and_can_be_saved_anew(self, store: Store) -> None:
        await save(store, app(), key())
        async with store.transaction() as transaction:
            await transaction.keys.delete("key1")
            assert await transaction.keys.get("key1") is None
        assert (await store.read_key("key1")).key is None
        await save(store, app(), key())
        assert (await store.read_key("key1")).key == key()

    async def test_deleting_what_is_not_there_is_no_error(self, store: Store) -> None:
        async with store.transaction() as transaction:
            await transaction.keys.delete("nothing")
            await transaction.apps.delete("nothing")
        assert await store.read_key("nothing") == KeyReading(0)

    async def test_a_transaction_sees_its_own_writes_and_nobody_else_does(self, store: Store) -> None:
        async with store.transaction() as transaction:
            await transaction.apps.save(app())
            await transaction.keys.save(key())
            await transaction.record(event("key1"))
            assert await transaction.keys.get("key1") == key()
            assert list(await transaction.keys.page(limit=5)) == [key()]
            assert await store.read_key("key1") == KeyReading(0)
            assert await store.changes_since(0) == ChangeBatch(0)
        assert await store.read_key("key1") == KeyReading(1, key(), app())

    async def test_an_exception_takes_everything_back(self, store: Store) -> None:
        async def change_and_fail() -> None:
            async with store.transaction() as transaction:
                await transaction.apps.save(app())
                await transaction.record(event("app_1", "app"))
                raise Refused

        with pytest.raises(Refused):
            await change_and_fail()
        assert await store.current_revision() == 0
        async with store.transaction() as transaction:
            assert await transaction.apps.get("app_1") is None
            assert await transaction.record(event("app_1", "app")) == 1

    async def test_revisions_count_up_within_and_across_transactions(self, store: Store) -> None:
        async with store.transaction() as transaction:
            assert [await transaction.record(event("a")), await transaction.record(event("b"))] == [1, 2]
        assert await add_change(store, "c") == 3
        assert await store.current_revision() == 3

    async def test_changes_come_in_order_with_kind_and_id(self, store: Store) -> None:
        async with store.transaction() as transaction:
            await transaction.record(event("app_1", "app"))
            await transaction.record(event("key1"))
        assert (await store.changes_since(0)).changes == (Change(1, "app", "app_1"), Change(2, "key", "key1"))
        assert await store.changes_since(1) == ChangeBatch(2, (Change(2, "key", "key1"),))
        assert await store.changes_since(2) == ChangeBatch(2)

    async def test_many_changes_come_in_bounded_batches(self, store: Store) -> None:
        async with store.transaction() as transaction:
            for number in range(2500):
                await transaction.record(event(f"k{number}"))
        seen, revision, sizes = [], 0, []
        while (batch := await store.changes_since(revision)).changes:
            revision = batch.revision
            seen += [change.revision for change in batch.changes]
            sizes.append(len(batch.changes))
        assert seen == list(range(1, 2501))
        assert sizes == [1000, 1000, 500]

    async def test_a_reader_behind_the_pruned_changes_is_told(self, store: Store) -> None:
        for at in (10.0, 20.0, 30.0):
            await add_change(store, "key1", at=at)
        assert await store.prune_changes(25.0) == 2
        assert await store.changes_since(1) == ChangeBatch(3, is_complete=False)
        assert await store.changes_since(0) == ChangeBatch(3, is_complete=False)
        assert await store.changes_since(2) == ChangeBatch(3, (Change(3, "key", "key1"),))

    async def test_pruning_everything_keeps_the_revision(self, store: Store) -> None:
        await add_change(store, "key1", at=10.0)
        assert await store.prune_changes(11.0) == 1
        assert await store.prune_changes(11.0) == 0
        assert await store.current_revision() == 1
        assert await store.changes_since(1) == ChangeBatch(1)
        assert await add_change(store, "key1") == 2

    async def test_a_reader_ahead_of_the_store_is_told(self, store: Store) -> None:
        await add_change(store, "key1")
        assert await store.changes_since(7) == ChangeBatch(1, is_complete=False)

    async def test_pages_go_by_id_in_byte_order(self, store: Store) -> None:
        ids = ["0b", "A", "Z", "Za", "_", "a", "aB", "ab"]
        async with store.transaction() as transaction:
            await transaction.apps.save(app("app_1"))
            await transaction.apps.save(app("app_2"))
            for number, key_id in enumerate(reversed(ids)):
                await transaction.keys.save(key(key_id, f"app_{1 + number % 2}"))
        async with store.transaction() as transaction:
            assert [found.id for found in await transaction.apps.page(limit=9)] == ["app_1", "app_2"]
            assert [found.id for found in await transaction.apps.page(limit=9, after="app_1")] == ["app_2"]
            assert [found.id for found in await transaction.keys.page(limit=9)] == ids
            assert [found.id for found in await transaction.keys.page(limit=3, after="Z")] == ["Za", "_", "a"]
            of_one = await transaction.keys.page(limit=2, after="A", app_id="app_2")
            assert [(found.id, found.app_id) for found in of_one] == [("Z", "app_2"), ("_", "app_2")]

    @pytest.mark.parametrize("text", ["'; DROP TABLE keys; --", '" OR 1=1', "%", "\\", "key1/*"])
    async def test_ids_are_values_never_statements(self, store: Store, text: str) -> None:
        await save(store, app(), key())
        assert (await store.read_key(text)).key is None
        async with store.transaction() as transaction:
            assert await transaction.keys.get(text) is None
            assert await transaction.keys.page(limit=5, app_id=text) == []
        assert (await store.read_key("key1")).key == key()

    async def test_looking_waits_for_no_writer_and_sees_what_was_committed(self, store: Store) -> None:
        await save(store, app(), key())
        async with store.transaction() as transaction:
            await transaction.keys.save(replace(key(), status="revoked"))
            async with store.reading() as snapshot:
                assert await snapshot.keys.get("key1") == key()
                assert [seen.id for seen in await snapshot.apps.page(limit=10)] == ["app_1"]
        async with store.reading() as snapshot:
            assert await snapshot.keys.get("key1") == replace(key(), status="revoked")

    async def test_writers_take_turns(self, store: Store) -> None:
        await save(store, app(), key())

        async def add_scope(number: int) -> None:
            async with store.transaction() as transaction:
                found = await transaction.keys.get("key1")
                assert found is not None
                await asyncio.sleep(0)
                await transaction.keys.save(replace(found, scopes=(*found.scopes, f"s{number}")))
                await transaction.record(event("key1"))

        await asyncio.gather(*(add_scope(number) for number in range(20)))
        reading = await store.read_key("key1")
        assert reading.key is not None
        assert len(reading.key.scopes) == len(key().scopes) + 20
        assert reading.revision == 21

    async def test_a_poll_under_writes_misses_nothing_and_a_reading_is_never_older_than_its_revision(
        self, store: Store
    ) -> None:
        await save(store, app(), key())
        seen: list[int] = []

        async def write() -> None:
            for number in range(2, 60):
                async with store.transaction() as transaction:
                    await transaction.keys.save(replace(key(), name=str(number)))
                    assert await transaction.record(event("key1")) == number

        async def poll() -> None:
            revision = 1
            while revision < 59:
                batch = await store.changes_since(revision)
                seen.extend(change.revision for change in batch.changes)
                revision = batch.revision
                reading = await store.read_key("key1")
                assert reading.revision == 1 or (reading.key and reading.key.name == str(reading.revision))

        await asyncio.gather(write(), poll())
        assert seen == list(range(2, 60))

    async def test_a_cancelled_writer_leaves_nothing_and_the_next_one_goes_on(self, store: Store) -> None:
        await save(store, app(), key())

        async def change() -> None:
            async with store.transaction() as transaction:
                await transaction.keys.save(replace(key(), name="changed"))
                await transaction.record(event("key1"))
                await transaction.keys.save(replace(key(), name="changed twice"))
                await transaction.record(event("key1"))

        for turns in range(50):
            before = await store.current_revision()
            task = asyncio.create_task(change())
            await asyncio.sleep(turns * 0.0004)
            task.cancel()
            if turns % 2:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.exception() is None
            # A cancel during the commit may come too late to stop it, but never leaves a half.
            assert await store.current_revision() in (before, before + 2)
            # At once: no lock waits for a garbage collector, though `task` still holds the traceback.
            async with asyncio.timeout(2):
                assert await add_change(store, "key1") == await store.current_revision()


async def save(store: Store, an_app: AppRecord, a_key: KeyRecord) -> None:
    """Both, with one change row."""
    async with store.transaction() as transaction:
        await transaction.apps.save(an_app)
        await transaction.keys.save(a_key)
        await transaction.record(event(a_key.id))
