"""What can be done with apps."""

import re

import pytest

from gateway_auth.core.actor import Actor
from gateway_auth.core.keys import AppRecord
from gateway_auth.errors import InvalidInput, NotFound
from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.views import app_view
from tests.lifecycle.world import ACTOR, BOB, NOW, World


async def test_a_created_app_has_its_fields_and_an_id_of_its_own(world: World) -> None:
    app = await world.apps.create(ACTOR, AppFields(name=" Orders ", owner="alice", project="shop", plan="free"))
    assert re.fullmatch(r"app_[0-9A-Za-z]{16}", app.id)
    assert app_view(app) == {
        "id": app.id,
        "name": "Orders",
        "owner": "alice",
        "project": "shop",
        "plan": "free",
        "status": "active",
        "created_at": "2027-01-15T08:00:00Z",
        "created_by": str(ACTOR),
    }
    assert await world.apps.get(app.id) == app


async def test_two_apps_of_one_name_have_two_ids(world: World, app: AppRecord) -> None:
    assert (await world.apps.create(ACTOR, AppFields(name=app.name))).id != app.id


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (AppFields(), "name"),
        (AppFields(name="  "), "name"),
        (AppFields(name="x" * 201), "name"),
        (AppFields(name="a\x1b[31mb"), "name"),
        (AppFields(name="a\nb"), "name"),
        (AppFields(name="a\N{RIGHT-TO-LEFT OVERRIDE}b"), "name"),
        (AppFields(name="a\ud800"), "name"),
        (AppFields(name="a", owner="\0"), "owner"),
        (AppFields(name="a", project="\x7f"), "project"),
        (AppFields(name="a", plan="gold"), "plan"),
        (AppFields(name="a", plan=""), "plan"),
    ],
)
async def test_a_field_that_cannot_be_is_named_and_nothing_is_made(world: World, fields: AppFields, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await world.apps.create(ACTOR, fields)
    assert caught.value.field == field
    assert world.actions == []
    assert await world.apps.page() == []


async def test_an_unknown_plan_is_answered_with_the_known_ones(world: World) -> None:
    with pytest.raises(InvalidInput, match=r"free, pro"):
        await world.apps.create(ACTOR, AppFields(name="a", plan="gold"))


@pytest.mark.parametrize("app_id", ["app_unknown", "", "x" * 100, "a\0b", "\ud800", "'; --"])
async def test_an_unknown_app_is_not_found(world: World, app_id: str) -> None:
    for operation in (world.apps.disable, world.apps.enable, world.apps.delete):
        with pytest.raises(NotFound):
            await operation(ACTOR, app_id)
    with pytest.raises(NotFound):
        await world.apps.get(app_id)


async def test_an_update_sets_what_is_given_and_keeps_the_rest(world: World) -> None:
    app = await world.apps.create(ACTOR, AppFields(name="Orders", owner="alice", plan="free"))
    updated = await world.apps.update(ACTOR, app.id, AppFields(name="Shop", plan=None))
    assert (updated.name, updated.owner, updated.plan) == ("Shop", "alice", None)
    assert world.actions == ["app.create", "app.update"]


async def test_disabling_twice_changes_something_once(world: World, app: AppRecord) -> None:
    assert (await world.apps.disable(ACTOR, app.id)).status == "disabled"
    assert (await world.apps.disable(ACTOR, app.id)).status == "disabled"
    assert (await world.apps.enable(ACTOR, app.id)).status == "active"
    assert (await world.apps.enable(ACTOR, app.id)).status == "active"
    assert world.actions == ["app.create", "app.disable", "app.enable"]
    assert await world.memory.current_revision() == 3


async def test_the_audit_says_who_did_what_when_to_what(world: World, app: AppRecord) -> None:
    world.clock.seconds = NOW + 60
    await world.apps.disable(BOB, app.id)
    event = world.memory.audit[-1]
    assert (event.actor, event.action, event.at) == ("admin:bob", "app.disable", NOW + 60)
    assert (event.request_id, event.address) == ("req_1", "192.0.2.7")
    assert (event.object_kind, event.object_id) == ("app", app.id)
    assert event.before == app_view(app)
    assert event.after == {**app_view(app), "status": "disabled"}


async def test_deleting_an_app_deletes_its_keys_and_leaves_a_tombstone_of_each(
    world: World, app: AppRecord, created: CreatedKey
) -> None:
    other = await world.apps.create(ACTOR, AppFields(name="Other"))
    kept = await world.keys.create(ACTOR, other.id, "live", KeyFields())
    second = await world.keys.create(ACTOR, app.id, "test", KeyFields())
    revision = await world.memory.current_revision()
    await world.apps.delete(ACTOR, app.id)
    gone = [created.record.id, second.record.id]
    for key_id in gone:
        assert (await world.memory.read_key(key_id)).key is None
    assert [found.id for found in await world.keys.page()] == [kept.record.id]
    assert [found.id for found in await world.apps.page()] == [other.id]
    events = world.memory.audit[revision:]
    assert [event.object_id for event in events] == [*sorted(gone), app.id]
    assert all(event.before and event.after is None for event in events)
    changes = (await world.memory.changes_since(revision)).changes
    assert [change.object_id for change in changes] == [*sorted(gone), app.id]


async def test_pages_and_iteration_go_through_all_apps_once(world: World) -> None:
    ids = sorted([(await world.apps.create(ACTOR, AppFields(name=f"App {n}"))).id for n in range(25)])
    first = await world.apps.page(limit=10)
    second = await world.apps.page(limit=20, after=first[-1].id)
    assert [app.id for app in (*first, *second)] == ids
    assert [app.id async for app in world.apps.iterate()] == ids


@pytest.mark.parametrize(("limit", "after"), [(0, ""), (1001, ""), (-1, ""), (10, "a b"), (10, "x" * 65)])
async def test_a_page_has_bounds(world: World, limit: int, after: str) -> None:
    with pytest.raises(InvalidInput):
        await world.apps.page(limit=limit, after=after)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 201])
async def test_an_actor_the_audit_could_not_show_does_nothing(world: World, name: str) -> None:
    with pytest.raises(InvalidInput, match="actor"):
        await world.apps.create(Actor(kind="cli", name=name), AppFields(name="a"))
    assert await world.apps.page() == []
