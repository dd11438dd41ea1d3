"""What every store must do with tokens that were taken back. A test module subclasses this with a `store` fixture."""

from __future__ import annotations

import asyncio

import pytest

from gateway_auth.core.token import Revocation
from gateway_auth.ports import Change, RevocationReading
from tests.adapters.conformance import Refused
from tests.adapters.stores import Store, add_change, event, revocation


class RevocationConformance:
    """RevocationStore, and the revocations of a transaction."""

    async def test_a_saved_revocation_is_read_with_every_field_and_its_change(self, store: Store) -> None:
        await revoke(store, revocation())
        assert await store.read_revocations(0) == RevocationReading(1, (revocation(),))
        assert (await store.changes_since(0)).changes == (Change(1, "token", "rev_1"),)

    async def test_a_revocation_of_any_issuer_and_one_in_whole_seconds_are_read_as_they_were_saved(
        self, store: Store
    ) -> None:
        plain = Revocation(id="r", kind="token", value="", revoked_at=1, expires_at=2)
        await revoke(store, plain)
        assert (await store.read_revocations(0)).revocations == (plain,)

    async def test_revocations_are_read_after_a_revision_in_order(self, store: Store) -> None:
        await revoke(store, revocation("rev_z"))
        await add_change(store, "key1")
        await revoke(store, revocation("rev_b"))
        await revoke(store, revocation("rev_a"))
        for after, names in (
            (0, ["rev_z", "rev_b", "rev_a"]),
            (1, ["rev_b", "rev_a"]),
            (3, ["rev_a"]),
            (4, []),
            (9, []),
        ):
            reading = await store.read_revocations(after)
            assert (reading.revision, [entry.id for entry in reading.revocations]) == (4, names)

    async def test_one_thing_revoked_twice_is_two_entries(self, store: Store) -> None:
        await revoke(store, revocation("rev_1"))
        await revoke(store, revocation("rev_2"))
        assert len((await store.read_revocations(0)).revocations) == 2

    async def test_a_revocation_is_seen_with_its_transaction_and_not_before(self, store: Store) -> None:
        async with store.transaction() as transaction:
            await transaction.revocations.save(revocation(), await transaction.record(event("rev_1", "token")))
            assert await store.read_revocations(0) == RevocationReading(0)
        assert await store.read_revocations(0) == RevocationReading(1, (revocation(),))

    async def test_an_exception_takes_a_revocation_and_a_pruning_back(self, store: Store) -> None:
        async def change_and_fail() -> None:
            async with store.transaction() as transaction:
                await transaction.revocations.save(revocation("rev_2"), 2)
                assert await transaction.revocations.prune(2.0**40) == 2
                raise Refused

        await revoke(store, revocation())
        with pytest.raises(Refused):
            await change_and_fail()
        assert await store.read_revocations(0) == RevocationReading(1, (revocation(),))

    async def test_pruning_takes_away_what_ended_before_a_time(self, store: Store) -> None:
        for number, end in enumerate((10.0, 20.0, 30.0)):
            await revoke(store, revocation(f"rev_{number}", expires_at=end))
        async with store.transaction() as transaction:
            assert await transaction.revocations.prune(20.0) == 1
            assert await transaction.revocations.prune(20.0) == 0
        reading = await store.read_revocations(0)
        assert (reading.revision, [entry.id for entry in reading.revocations]) == (3, ["rev_1", "rev_2"])

    async def test_many_revocations_are_read_whole(self, store: Store) -> None:
        async with store.transaction() as transaction:
            for number in range(2500):
                revision = await transaction.record(event(f"r{number}", "token"))
                await transaction.revocations.save(revocation(f"r{number}"), revision)
        assert len((await store.read_revocations(0)).revocations) == 2500
        assert len((await store.read_revocations(2000)).revocations) == 500

    async def test_whoever_follows_the_log_has_read_every_revocation_it_told_of(self, store: Store) -> None:
        known: dict[str, int] = {}

        async def write() -> None:
            for number in range(1, 40):
                await revoke(store, revocation(f"r{number}"))

        async def follow() -> None:
            revision = after = 0
            while revision < 39:
                batch = await store.changes_since(revision)
                reading = await store.read_revocations(after)
                known.update({entry.id: reading.revision for entry in reading.revocations})
                assert {change.object_id for change in batch.changes} <= known.keys()
                revision, after = batch.revision, reading.revision

        await asyncio.gather(write(), follow())
        assert len(known) == 39


async def revoke(store: Store, entry: Revocation) -> None:
    """One committed revocation, with its change row."""
    async with store.transaction() as transaction:
        await transaction.revocations.save(entry, await transaction.record(event(entry.id, "token")))
