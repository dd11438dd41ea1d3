"""Rotation: what the new key gets, when the old one ends, and what is not deleted in passing."""

import pytest
from msgspec.structs import replace

from gateway_auth.core.actor import Actor
from gateway_auth.core.cachekey import partitions_of
from gateway_auth.core.keys import AppRecord, Grant, KeyRecord, compile_key, status_at
from gateway_auth.errors import Conflict, InvalidInput, NotFound
from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.key_fields import KeyFields
from tests.lifecycle.world import ACTOR, NOW, World

DAY = 86400
BOB = Actor(kind="cli", name="bob")
OF_ITS_OWN = {
    "id", "digest", "pepper_id", "created_at", "created_by", "not_before", "expires_at", "grants",
    "last_used_at", "last_used_address", "rotated_from", "retires_at", "family",
}  # fmt: skip


async def put(world: World, key: KeyRecord) -> None:
    """Into the store as it is, past the rules; of a key that is there a save would leave the last use."""
    async with world.registry.transaction() as transaction:
        await transaction.keys.delete(key.id)
        await transaction.keys.save(key)


async def test_the_new_key_has_the_rights_of_the_old_one(world: World, app: AppRecord) -> None:
    old = await world.keys.create(
        ACTOR, app.id, "test",
        KeyFields(
            name="ci", scopes=["orders:read"], roles=["reader"], allow_networks=["10.0.0.0/8"],
            deny_networks=["10.1.0.0/16"], allow_referrers=["https://example.com/*"], allow_ios=["com.example.App"],
            allow_requests=["GET /v1/*"], metadata={"team": "blue"},
        ),
    )  # fmt: skip
    rotated = await world.keys.rotate(BOB, old.record.id)
    new = rotated.created.record
    shared = set(KeyRecord.__struct_fields__) - OF_ITS_OWN
    assert {name: getattr(new, name) for name in shared} == {name: getattr(old.record, name) for name in shared}
    assert (new.rotated_from, new.created_by, new.retires_at) == (old.record.id, "cli:bob", None)
    assert new.id != old.record.id
    assert rotated.retiring == replace(old.record, retires_at=NOW + 7 * DAY)
    for text in (old.text, rotated.created.text):
        assert (await world.keys.verify(text)).outcome == "valid"
    assert world.actions[2:] == ["key.rotate", "key.create"]


async def test_both_work_until_the_overlap_ends_and_then_the_new_one(world: World, created: CreatedKey) -> None:
    rotated = await world.keys.rotate(ACTOR, created.record.id, overlap="1h")
    old, new = rotated.retiring, rotated.created.record
    assert [status_at(key, NOW + 3599.9) for key in (old, new)] == ["active", "active"]
    assert [status_at(key, NOW + 3600) for key in (old, new)] == ["disabled", "active"]
    verified = compile_key(old, AppRecord(id=old.app_id, name="a", created_at=1, created_by="x"), {}, {}, NOW)
    assert verified.usable_until == NOW + 3600


async def test_without_an_overlap_the_old_key_ends_at_once(world: World, created: CreatedKey) -> None:
    rotated = await world.keys.rotate(ACTOR, created.record.id, overlap="0")
    assert status_at(rotated.retiring, world.clock.now()) == "disabled"


@pytest.mark.parametrize("overlap", ["never", "367d", "-1d", "", "7", "1 d"])
async def test_an_overlap_has_an_end(world: World, created: CreatedKey, overlap: str) -> None:
    with pytest.raises(InvalidInput, match="overlap"):
        await world.keys.rotate(ACTOR, created.record.id, overlap=overlap)
    assert world.actions == ["app.create", "key.create"]


async def test_the_new_key_lives_as_long_as_the_old_one_was_to(world: World, app: AppRecord) -> None:
    old = await world.keys.create(ACTOR, app.id, "live", KeyFields(expires_in="30d"))
    world.clock.seconds = NOW + 29 * DAY
    rotated = await world.keys.rotate(ACTOR, old.record.id)
    assert rotated.created.record.expires_at == NOW + 59 * DAY
    assert rotated.retiring.expires_at == NOW + 30 * DAY
    other = await world.keys.rotate(ACTOR, rotated.created.record.id, fields=KeyFields(expires_in="1d"))
    assert other.created.record.expires_at == NOW + 30 * DAY


async def test_the_new_key_lives_no_longer_than_the_policy_allows() -> None:
    world = World()
    app = await world.apps.create(ACTOR, AppFields(name="Orders"))
    old = await world.keys.create(ACTOR, app.id, "live", KeyFields(expires_in="90d"))
    strict = World(world.memory, max_lifetime_days=10)
    rotated = await strict.keys.rotate(ACTOR, old.record.id)
    assert rotated.created.record.expires_at == NOW + 10 * DAY
    with pytest.raises(InvalidInput, match="max_lifetime_days"):
        await strict.keys.rotate(ACTOR, rotated.created.record.id, fields=KeyFields(expires_in="11d"))


async def test_grants_that_ended_are_not_handed_on(world: World, created: CreatedKey) -> None:
    grants = (Grant("orders:write", NOW - 1), Grant("orders:refund", NOW + 60))
    await put(world, replace(created.record, grants=grants))
    assert (await world.keys.rotate(ACTOR, created.record.id)).created.record.grants == grants[1:]


async def test_limits_by_key_count_a_whole_line_of_rotations_together(world: World, created: CreatedKey) -> None:
    second = (await world.keys.rotate(ACTOR, created.record.id)).created.record
    third = (await world.keys.rotate(ACTOR, second.id)).created.record
    app = await world.apps.get(created.record.app_id)
    principals = [compile_key(key, app, {}, {}, NOW).principal for key in (created.record, second, third)]
    assert {str(partitions_of(("key",), principal, None)) for principal in principals} == {str([created.record.id])}
    assert [principal.key_id for principal in principals] == [created.record.id, second.id, third.id]


async def test_a_key_is_rotated_once(world: World, created: CreatedKey) -> None:
    await world.keys.rotate(ACTOR, created.record.id)
    with pytest.raises(Conflict, match="was rotated already"):
        await world.keys.rotate(ACTOR, created.record.id)


async def test_what_does_not_work_is_not_rotated(world: World, created: CreatedKey) -> None:
    await world.keys.disable(ACTOR, created.record.id)
    with pytest.raises(Conflict, match="is disabled: there is nothing to hand over"):
        await world.keys.rotate(ACTOR, created.record.id)
    await world.keys.revoke(ACTOR, created.record.id)
    with pytest.raises(Conflict, match="is revoked"):
        await world.keys.rotate(ACTOR, created.record.id)
    with pytest.raises(NotFound):
        await world.keys.rotate(ACTOR, "nobody")


async def test_a_key_of_a_disabled_app_is_not_rotated(world: World, created: CreatedKey) -> None:
    await world.apps.disable(ACTOR, created.record.app_id)
    with pytest.raises(Conflict, match="enable it before"):
        await world.keys.rotate(ACTOR, created.record.id)


@pytest.mark.parametrize("later", [10, 8 * DAY], ids=["during the overlap", "after it"])
async def test_enable_keeps_a_rotated_key(world: World, created: CreatedKey, later: int) -> None:
    await world.keys.rotate(ACTOR, created.record.id)
    world.clock.seconds = NOW + later
    assert await world.keys.enable(ACTOR, created.record.id) == created.record


@pytest.mark.parametrize("status", ["active", "disabled", "revoked"])
async def test_a_key_used_within_a_day_is_deleted_only_by_force(world: World, created: CreatedKey, status: str) -> None:
    used = replace(created.record, last_used_at=NOW - DAY + 1, last_used_address="192.0.2.7", status=status)
    await put(world, used)
    with pytest.raises(Conflict, match=r"was used at 2027-01-14T.*Z from 192\.0\.2\.7, within the last day"):
        await world.keys.delete(ACTOR, used.id)
    await world.keys.delete(ACTOR, used.id, force=True)
    with pytest.raises(NotFound):
        await world.keys.get(used.id)


async def test_a_key_not_used_for_a_day_is_deleted(world: World, created: CreatedKey) -> None:
    await put(world, replace(created.record, last_used_at=NOW - DAY))
    await world.keys.delete(ACTOR, created.record.id)
