"""What can be done with a key during its life."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_auth.core.keys import AppRecord, Grant, status_at
from gateway_auth.errors import Conflict, InvalidInput, NotFound
from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.views import key_view
from tests.adapters.stores import STORES, Store, place_for
from tests.lifecycle.world import ACTOR, NOW, World

DAY = 86400


@pytest.fixture(params=list(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[request.param](place_for(request, tmp_path)) as store:
        yield store


async def test_a_whole_life_on_every_store(store: Store) -> None:
    world = World(store)
    app = await world.apps.create(ACTOR, AppFields(name="Orders", plan="pro"))
    created = await world.keys.create(ACTOR, app.id, "live", KeyFields(scopes=["orders:read"]))
    key_id = created.record.id
    assert (await world.keys.verify(created.text)).outcome == "valid"
    assert (await world.keys.disable(ACTOR, key_id)).status == "disabled"
    assert (await world.keys.enable(ACTOR, key_id)).status == "active"
    assert (await world.keys.update(ACTOR, key_id, KeyFields(name="ci"))).name == "ci"
    assert (await world.keys.grant(ACTOR, key_id, "orders:write", "1h")).grants
    assert (await world.keys.revoke(ACTOR, key_id)).status == "revoked"
    assert [key.id async for key in world.keys.iterate(app.id)] == [key_id]
    await world.keys.delete(ACTOR, key_id)
    await world.apps.delete(ACTOR, app.id)
    assert (await store.read_key(key_id)).key is None
    kinds = [change.kind for change in (await store.changes_since(0)).changes]
    assert kinds == ["app", *["key"] * 7, "app"]


async def test_disable_is_reversible_and_each_happens_once(world: World, created: CreatedKey) -> None:
    key_id = created.record.id
    for _ in range(2):
        assert (await world.keys.disable(ACTOR, key_id)).status == "disabled"
    for _ in range(2):
        assert await world.keys.enable(ACTOR, key_id) == created.record
    assert world.actions == ["app.create", "key.create", "key.disable", "key.enable"]


async def test_revoke_is_final(world: World, created: CreatedKey) -> None:
    key_id = created.record.id
    for _ in range(2):
        assert (await world.keys.revoke(ACTOR, key_id)).status == "revoked"
    for attempt in (
        world.keys.enable(ACTOR, key_id),
        world.keys.disable(ACTOR, key_id),
        world.keys.update(ACTOR, key_id, KeyFields(name="x")),
        world.keys.grant(ACTOR, key_id, "a", "1h"),
    ):
        with pytest.raises(Conflict, match="revoked, which is final"):
            await attempt
    assert world.actions[2:] == ["key.revoke"]


async def test_an_expired_key_is_not_enabled_but_can_be_prolonged(world: World, app: AppRecord) -> None:
    key_id = (await world.keys.create(ACTOR, app.id, "live", KeyFields(expires_in="1h"))).record.id
    world.clock.seconds = NOW + 3600
    with pytest.raises(Conflict, match="has expired; update its expiry or create a new key"):
        await world.keys.enable(ACTOR, key_id)
    prolonged = await world.keys.update(ACTOR, key_id, KeyFields(expires_in="1h"))
    assert prolonged.expires_at == NOW + 7200
    assert status_at(prolonged, world.clock.now()) == "active"


async def test_an_update_sets_what_is_given_and_keeps_the_rest(world: World, app: AppRecord) -> None:
    created = await world.keys.create(
        ACTOR,
        app.id,
        "live",
        KeyFields(name="ci", scopes=["a"], allow_networks=["10.0.0.0/8"], expires_in="1d"),
    )
    fields = KeyFields(scopes=["b", "c"], allow_networks=[], expires_at=None, metadata={"team": "blue"})
    updated = await world.keys.update(ACTOR, created.record.id, fields)
    assert (updated.scopes, updated.allow_networks, updated.expires_at) == (("b", "c"), (), None)
    assert (updated.name, updated.digest, updated.metadata) == ("ci", created.record.digest, {"team": "blue"})
    event = world.memory.audit[-1]
    assert event.before == key_view(created.record, NOW)
    assert event.after == key_view(updated, NOW)


@pytest.mark.parametrize("fields", [KeyFields(), KeyFields(name="ci", scopes=["orders:read"])])
async def test_an_update_to_what_is_there_changes_nothing(world: World, created: CreatedKey, fields: KeyFields) -> None:
    assert await world.keys.update(ACTOR, created.record.id, fields) == created.record
    assert world.actions == ["app.create", "key.create"]


async def test_an_update_cannot_prolong_a_life_beyond_the_cap(world: World, created: CreatedKey) -> None:
    capped = World(world.registry, max_lifetime_days=30)
    capped.clock.seconds = NOW + 20 * DAY
    key_id = created.record.id
    assert (await capped.keys.update(ACTOR, key_id, KeyFields(expires_in="10d"))).expires_at == NOW + 30 * DAY
    for fields in (KeyFields(expires_in="11d"), KeyFields(expires_in="never"), KeyFields(expires_at=None)):
        with pytest.raises(InvalidInput, match="max_lifetime_days"):
            await capped.keys.update(ACTOR, key_id, fields)


async def test_an_update_that_would_begin_after_the_end_is_refused(world: World, app: AppRecord) -> None:
    created = await world.keys.create(ACTOR, app.id, "live", KeyFields(expires_in="1d"))
    with pytest.raises(InvalidInput, match="not_before"):
        await world.keys.update(ACTOR, created.record.id, KeyFields(not_before="2030-01-01T00:00:00Z"))


async def test_a_deleted_key_is_gone_and_its_tombstone_stays(world: World, created: CreatedKey) -> None:
    await world.keys.delete(ACTOR, created.record.id)
    with pytest.raises(NotFound):
        await world.keys.get(created.record.id)
    tombstone = world.memory.audit[-1]
    assert (tombstone.action, tombstone.object_id, tombstone.after) == ("key.delete", created.record.id, None)
    assert tombstone.before == key_view(created.record, NOW)


async def test_grants_are_added_prolonged_and_forgotten_when_over(world: World, created: CreatedKey) -> None:
    key_id = created.record.id
    await world.keys.grant(ACTOR, key_id, "a", "1h")
    await world.keys.grant(ACTOR, key_id, "b:*", "2h")
    prolonged = await world.keys.grant(ACTOR, key_id, "a", "3h")
    assert prolonged.grants == (Grant("a", NOW + 3 * 3600), Grant("b:*", NOW + 2 * 3600))
    assert await world.keys.grant(ACTOR, key_id, "a", "1m") == prolonged
    world.clock.seconds = NOW + 2 * 3600
    assert (await world.keys.grant(ACTOR, key_id, "c", "1h")).grants == (
        Grant("a", NOW + 3 * 3600),
        Grant("c", NOW + 3 * 3600),
    )
    assert world.actions[2:] == ["key.grant"] * 4


@pytest.mark.parametrize(
    ("scope", "expires_in", "field"),
    [("*", "1h", "scope"), ("", "1h", "scope"), ("a", "never", "expires_in"), ("a", "1", "expires_in")],
)
async def test_a_grant_needs_a_scope_and_an_end(
    world: World, created: CreatedKey, scope: str, expires_in: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await world.keys.grant(ACTOR, created.record.id, scope, expires_in)
    assert caught.value.field == field


async def test_grants_are_bounded(world: World, created: CreatedKey) -> None:
    for number in range(100):
        await world.keys.grant(ACTOR, created.record.id, f"s{number}", "1h")
    with pytest.raises(InvalidInput, match="100 grants"):
        await world.keys.grant(ACTOR, created.record.id, "one-more", "1h")


@pytest.mark.parametrize("key_id", ["unknownkey12", "", "x" * 100, "a\0b", "\ud800", "../x"])
async def test_an_unknown_key_is_not_found(world: World, key_id: str) -> None:
    for attempt in (
        world.keys.get(key_id),
        world.keys.update(ACTOR, key_id, KeyFields()),
        world.keys.disable(ACTOR, key_id),
        world.keys.enable(ACTOR, key_id),
        world.keys.revoke(ACTOR, key_id),
        world.keys.delete(ACTOR, key_id),
        world.keys.grant(ACTOR, key_id, "a", "1h"),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_keys_are_listed_of_one_app_or_of_all(world: World, app: AppRecord, created: CreatedKey) -> None:
    other = await world.apps.create(ACTOR, AppFields(name="Other"))
    more = [(await world.keys.create(ACTOR, other.id, "live", KeyFields())).record.id for _ in range(12)]
    assert [key.id for key in await world.keys.page(app_id=app.id)] == [created.record.id]
    first = await world.keys.page(limit=5, app_id=other.id)
    rest = await world.keys.page(limit=50, after=first[-1].id, app_id=other.id)
    assert [key.id for key in (*first, *rest)] == sorted(more)
    assert [key.id async for key in world.keys.iterate()] == sorted([*more, created.record.id])
    with pytest.raises(NotFound):
        await world.keys.page(app_id="app_unknown")


async def test_iterating_goes_on_over_pages(world: World, app: AppRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gateway_auth.lifecycle.keys", "gateway_auth.lifecycle.apps"):
        monkeypatch.setattr(f"{module}.MAX_PAGE", 4)
    made = sorted([(await world.keys.create(ACTOR, app.id, "live", KeyFields())).record.id for _ in range(8)])
    assert [key.id async for key in world.keys.iterate()] == made
    await world.apps.delete(ACTOR, app.id)
    assert [key async for key in world.keys.iterate()] == []
