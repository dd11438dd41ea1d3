"""Hand-over: what becomes of both keys when something else happens while the new one is on its way."""

from collections.abc import Awaitable, Callable

import pytest

from gateway_auth.core.keys import KeyRecord
from gateway_auth.errors import HandoverFailed, InvalidInput, StoreUnavailable
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.handover import HandOver, Handover
from gateway_auth.lifecycle.key_fields import KeyFields
from tests.lifecycle.world import ACTOR, World


class Courier:
    """Does something while it carries, and fails where that fails."""

    def __init__(self, on_the_way: Callable[[], Awaitable[object]] | None = None) -> None:
        self._on_the_way = on_the_way
        self.delivered: list[CreatedKey] = []

    async def deliver(self, created: CreatedKey) -> None:
        if self._on_the_way is not None:
            await self._on_the_way()
        self.delivered.append(created)


async def refuse() -> None:
    raise HandoverFailed("nobody is at home")


async def all_of(world: World, courier: Courier, *due: KeyRecord) -> list[Handover]:
    return [one async for one in HandOver(world.keys, courier).rotate_all(ACTOR, due)]


async def test_the_old_key_ends_when_the_new_one_has_arrived(world: World, created: CreatedKey) -> None:
    courier = Courier()
    (done,) = await all_of(world, courier, created.record)
    (new,) = courier.delivered
    assert done == Handover(await world.keys.get(created.record.id), new.record)
    assert done.old.retires_at is not None
    assert world.actions[2:] == ["key.create", "key.rotate"]


async def test_what_does_not_arrive_is_revoked_and_the_old_key_was_never_touched(
    world: World, created: CreatedKey
) -> None:
    (done,) = await all_of(world, Courier(refuse), created.record)
    assert done == Handover(created.record, None, "nobody is at home")
    assert await world.keys.get(created.record.id) == created.record
    assert world.actions[2:] == ["key.create", "key.revoke"]


async def test_one_that_cannot_be_replaced_does_not_stop_the_rest(world: World, created: CreatedKey) -> None:
    gone = await world.keys.rotate(ACTOR, created.record.id)
    await world.keys.delete(ACTOR, gone.created.record.id)
    app_id = created.record.app_id
    last = await world.keys.create(ACTOR, app_id, "live", KeyFields())
    done = await all_of(world, Courier(), created.record, gone.created.record, last.record)
    assert [one.failure is None for one in done] == [False, False, True]
    assert "was rotated already" in str(done[0].failure)
    assert "there is no key" in str(done[1].failure)


@pytest.mark.parametrize("meanwhile", ["disable", "revoke", "delete", "rotate"])
async def test_a_new_key_that_arrived_stays_whatever_became_of_the_old_one(
    world: World, created: CreatedKey, meanwhile: str
) -> None:
    courier = Courier(lambda: getattr(world.keys, meanwhile)(ACTOR, created.record.id))
    (done,) = await all_of(world, courier, created.record)
    (new,) = courier.delivered
    assert (done.new, done.failure) == (new.record, None)
    assert (await world.keys.verify(new.text)).outcome == "valid"


async def test_a_wrong_overlap_makes_no_key(world: World, created: CreatedKey) -> None:
    with pytest.raises(InvalidInput, match="overlap"):
        await HandOver(world.keys, Courier()).rotate(ACTOR, created.record.id, overlap="never")
    assert world.actions == ["app.create", "key.create"]


async def test_a_key_that_could_not_be_revoked_is_named(
    world: World, created: CreatedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def outage(*_: object) -> KeyRecord:
        raise StoreUnavailable("the store is away")

    monkeypatch.setattr(world.keys, "revoke", outage)
    with pytest.raises(StoreUnavailable, match=r"key \w{12} did not arrive and could not be revoked"):
        await all_of(world, Courier(refuse), created.record)
