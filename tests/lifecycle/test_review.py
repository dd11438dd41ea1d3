"""Which keys deserve a look, and how many an app may have: on every store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.errors import Conflict, InvalidInput
from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.review import ReviewKeys
from tests.adapters.stores import STORES, Store, place_for
from tests.lifecycle.world import ACTOR, NOW, World

DAY = 86400


@pytest.fixture(params=list(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[request.param](place_for(request, tmp_path)) as store:
        yield store


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


@pytest.fixture
async def app(world: World) -> AppRecord:
    return await world.apps.create(ACTOR, AppFields(name="Orders"))


async def put(world: World, key: KeyRecord) -> None:
    """Into the store as it is, past the rules; of a key that is there a save would leave the last use."""
    async with world.registry.transaction() as transaction:
        await transaction.keys.delete(key.id)
        await transaction.keys.save(key)


async def test_an_app_has_no_more_active_keys_than_the_policy_allows(store: Store) -> None:
    world = World(store, max_active_per_app=2)
    app, other = [await world.apps.create(ACTOR, AppFields(name=name)) for name in ("Orders", "Billing")]
    first, second = [(await world.keys.create(ACTOR, app.id, "live", KeyFields())).record for _ in range(2)]
    await world.keys.create(ACTOR, other.id, "live", KeyFields())
    with pytest.raises(Conflict, match=r"has 2 active keys, as many as api_keys\.max_active_per_app allows"):
        await world.keys.create(ACTOR, app.id, "live", KeyFields())
    await world.keys.rotate(ACTOR, first.id)  # the old one no longer counts
    with pytest.raises(Conflict, match="max_active_per_app"):
        await world.keys.enable(ACTOR, first.id)
    await world.keys.disable(ACTOR, second.id)
    await world.keys.enable(ACTOR, first.id)


def review(world: World, *, rotate_after_days: int = 0) -> ReviewKeys:
    """The use cases over a world, with the usual policy."""
    return ReviewKeys(world.registry, world.clock, unused_after_days=90, rotate_after_days=rotate_after_days)


async def test_unused_lists_what_was_neither_used_nor_made_lately(world: World, app: AppRecord) -> None:
    ages = {"never": None, "long ago": NOW - 91 * DAY, "lately": NOW - 89 * DAY}
    ids = {}
    for name, used in ages.items():
        key = (await world.keys.create(ACTOR, app.id, "live", KeyFields(name=name))).record
        await put(world, replace(key, created_at=NOW - 400 * DAY, last_used_at=used))
        ids[name] = key.id
    stopped = (await world.keys.create(ACTOR, app.id, "live", KeyFields())).record
    await put(world, replace(stopped, created_at=NOW - 400 * DAY, status="disabled"))
    await world.keys.create(ACTOR, app.id, "live", KeyFields(name="new"))
    assert {key.id async for key in review(world).unused()} == {ids["never"], ids["long ago"]}
    assert {key.name async for key in review(world).unused(days=0)} == {"never", "long ago", "lately", "new"}


async def test_due_lists_old_keys_and_those_about_to_expire(world: World, app: AppRecord) -> None:
    old = (await world.keys.create(ACTOR, app.id, "live", KeyFields(name="old"))).record
    await put(world, replace(old, created_at=NOW - 91 * DAY))
    for name, days in (("soon", "13d"), ("later", "20d")):
        await world.keys.create(ACTOR, app.id, "live", KeyFields(name=name, expires_in=days))
    over = (await world.keys.create(ACTOR, app.id, "live", KeyFields(name="over"))).record
    await put(world, replace(over, expires_at=NOW - 1))
    assert {key.name async for key in review(world).due()} == {"soon"}
    assert {key.name async for key in review(world, rotate_after_days=90).due()} == {"soon", "old"}
    assert {key.name async for key in review(world).due(21)} == {"soon", "later"}
    await world.keys.rotate(ACTOR, old.id)
    assert {key.name async for key in review(world, rotate_after_days=90).due()} == {"soon"}


@pytest.mark.parametrize("days", [-1, 36501])
def test_days_have_bounds(world: World, days: int) -> None:
    with pytest.raises(InvalidInput, match="must be from 0 to 36500"):
        review(world).unused(days)
