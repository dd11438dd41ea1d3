"""What every store must do with admins, with what they created once, and with apps and keys by owner."""

from __future__ import annotations

from msgspec.structs import replace

from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.audit import AuditEvent
from gateway_auth.core.creations import Creation
from gateway_auth.core.usage import UsageBatch, UsageQuestion
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from tests.adapters.stores import Store, app, key


def admin(admin_id: str = "adminAAAAAA1", name: str = "näme \N{SNOWMAN}") -> AdminRecord:
    """A sample admin with something in every field."""
    return AdminRecord(
        id=admin_id, name=name, role="developer", status="disabled", digest=bytes(range(32)), pepper_id="0123",
        may_grant_scopes=("orders:*",), may_grant_roles=(), created_at=2**31 + 1, created_by="cli:alice",
    )  # fmt: skip


def creation(actor_id: str = "adminAAAAAA1", name: str = "a" * 64, at: int = 10) -> Creation:
    """A sample of what was created once."""
    return Creation(
        actor_id=actor_id,
        name=name,
        request="b" * 64,
        object_id="key1",
        answer='{"name":"näme"}',
        salt=bytes(32),
        at=at,
    )


class AdminConformance:
    """Admins and Creations."""

    async def test_an_admin_is_read_with_every_field_by_id_and_by_name(self, store: Store) -> None:
        unbounded = replace(admin("adminAAAAAA2", "bob"), may_grant_scopes=None, may_grant_roles=None)
        async with store.transaction() as transaction:
            await transaction.admins.save(admin())
            await transaction.admins.save(unbounded)
        async with store.reading() as snapshot:
            assert await snapshot.admins.get(admin().id) == admin()
            assert await snapshot.admins.named("bob") == unbounded
            assert await snapshot.admins.named("nobody") is None
            assert await snapshot.admins.get("nobody") is None
            assert list(await snapshot.admins.page(limit=9)) == [admin(), unbounded]
            assert list(await snapshot.admins.page(limit=9, after=admin().id)) == [unbounded]

    async def test_saving_an_admin_again_replaces_it(self, store: Store) -> None:
        for status in ("active", "disabled", "active"):
            async with store.transaction() as transaction:
                await transaction.admins.save(replace(admin(), status=status))
        async with store.reading() as snapshot:
            assert await snapshot.admins.get(admin().id) == replace(admin(), status="active")

    async def test_what_happens_to_admins_stands_in_the_audit_and_in_no_change_log(self, store: Store) -> None:
        happened = AuditEvent(
            at=1.0, actor="cli:alice", action="admin.create", object_kind="admin", object_id=admin().id
        )
        async with store.transaction() as transaction:
            await transaction.admins.save(admin())
            await transaction.witness(happened)
        assert await store.current_revision() == 0
        verdict = await verify_audit(store)
        assert isinstance(verdict, Verified)
        assert verdict.count == 1

    async def test_a_creation_is_remembered_by_who_and_what_until_it_is_pruned(self, store: Store) -> None:
        others = [creation("adminAAAAAA2"), creation(name="c" * 64, at=20)]
        async with store.transaction() as transaction:
            for one in (creation(), *others):
                await transaction.creations.save(one)
        async with store.transaction() as transaction:
            assert await transaction.creations.get(creation().actor_id, creation().name) == creation()
            assert await transaction.creations.get("adminAAAAAA2", "c" * 64) is None
            await transaction.creations.prune(20.9)
        async with store.transaction() as transaction:
            assert await transaction.creations.get(creation().actor_id, creation().name) is None
            assert await transaction.creations.get(creation().actor_id, "c" * 64) == others[1]

    async def test_apps_and_keys_are_found_by_owner(self, store: Store) -> None:
        async with store.transaction() as transaction:
            for number, owner in enumerate(("ann", "bob", "ann")):
                await transaction.apps.save(replace(app(f"app_{number}"), owner=owner))
                await transaction.keys.save(key(f"key{number}", f"app_{number}"))
        async with store.transaction() as transaction:
            assert [found.id for found in await transaction.apps.page(limit=9, owner="ann")] == ["app_0", "app_2"]
            assert [found.id for found in await transaction.keys.page(limit=9, owner="ann")] == ["key0", "key2"]
            assert [found.id for found in await transaction.keys.page(limit=9, after="key0", owner="ann")] == ["key2"]
            assert await transaction.keys.page(limit=9, app_id="app_1", owner="ann") == []
            assert await transaction.apps.page(limit=9, owner="") == []

    async def test_usage_is_summed_up_by_owner(self, store: Store) -> None:
        async with store.transaction() as transaction:
            for number, owner in enumerate(("ann", "bob")):
                await transaction.apps.save(replace(app(f"app_{number}"), owner=owner))
                await transaction.keys.save(key(f"key{number}", f"app_{number}"))
        counts = {("key0", "r", 2): 3, ("key1", "r", 2): 5, ("", "r", 4): 7}
        await store.add_usage(UsageBatch(60, counts, {}))
        question = UsageQuestion(since=0, until=120, bucket_seconds=60, limit=9, owner="ann")
        assert [(row.key_id, row.count) for row in await store.usage_sums(question)] == [("key0", 3)]
