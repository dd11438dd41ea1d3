"""What every store must do with keys that were issued elsewhere; a test module subclasses this."""

from __future__ import annotations

from typing import Protocol

import pytest

from gateway_auth.core.imported import ImportedKey, Upgrade
from gateway_auth.engine.imported import ImportedStore
from tests.adapters.conformance import Refused, save
from tests.adapters.stores import Store, app, key


class Both(Store, ImportedStore, Protocol):
    """A store in which they are found."""


def imported(key_id: str = "key1", lookup: bytes = b"l" * 32) -> ImportedKey:
    return ImportedKey(key_id=key_id, lookup=lookup, pepper_id="p", hash_kind="argon2id", hash="$argon2id$…")


UPGRADE = Upgrade(imported(), b"n" * 32, b"d" * 32, "new")
UPGRADED = ImportedKey(key_id="key1", lookup=b"n" * 32, pepper_id="new")


class ImportedConformance:
    async def test_what_is_saved_is_found_by_its_digest_alone(self, store: Both) -> None:
        await save_imported(store, imported(), imported("key2", b"m" * 32))
        assert await store.find_imported([b"x" * 32, b"l" * 32]) == [imported()]
        assert {each.key_id for each in await store.find_imported([b"l" * 32, b"m" * 32])} == {"key1", "key2"}
        assert await store.find_imported([b"l" * 31]) == []
        assert await store.find_imported([]) == []

    async def test_a_transaction_sees_what_it_saved_and_nobody_else_does(self, store: Both) -> None:
        await save(store, app(), key())

        async def save_and_fail() -> None:
            async with store.transaction() as transaction:
                await transaction.imported.save(imported())
                assert await transaction.imported.find([b"l" * 32]) == [imported()]
                assert await store.find_imported([b"l" * 32]) == []
                raise Refused

        with pytest.raises(Refused):
            await save_and_fail()
        assert await store.find_imported([b"l" * 32]) == []

    async def test_it_goes_with_its_key(self, store: Both) -> None:
        await save_imported(store, imported())
        async with store.transaction() as transaction:
            await transaction.keys.delete("key1")
        assert await store.find_imported([b"l" * 32]) == []
        await store.upgrade_imported(UPGRADE)
        assert (await store.read_key("key1")).key is None

    async def test_an_upgrade_changes_how_it_is_found_and_proven_and_tells_nobody(self, store: Both) -> None:
        await save_imported(store, imported())
        revision = await store.current_revision()
        await store.upgrade_imported(UPGRADE)
        assert await store.find_imported([b"l" * 32]) == []
        assert await store.find_imported([b"n" * 32]) == [UPGRADED]
        upgraded = (await store.read_key("key1")).key
        assert upgraded is not None
        assert (upgraded.digest, upgraded.pepper_id, upgraded.name) == (b"d" * 32, "new", key().name)
        assert await store.current_revision() == revision

    async def test_an_upgrade_of_what_has_changed_meanwhile_is_none(self, store: Both) -> None:
        await save_imported(store, imported())
        await store.upgrade_imported(UPGRADE)
        await store.upgrade_imported(Upgrade(imported(), b"o" * 32, b"e" * 32, "other"))
        assert await store.find_imported([b"n" * 32, b"o" * 32]) == [UPGRADED]


async def save_imported(store: Both, *entries: ImportedKey) -> None:
    """Each with its key."""
    for entry in entries:
        await save(store, app(), key(entry.key_id))
    async with store.transaction() as transaction:
        for entry in entries:
            await transaction.imported.save(entry)
