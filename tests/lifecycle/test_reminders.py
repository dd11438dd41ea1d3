"""Reminders: each notice once, another one when the end moves."""

import json

from gateway_auth.adapters.memory_outbox import MemoryOutbox
from gateway_auth.core.keys import AppRecord
from gateway_auth.core.usage import UsageBatch
from gateway_auth.lifecycle.anomalies import ReviewActivity
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.reminders import Reminders
from gateway_auth.lifecycle.review import ReviewKeys
from tests.adapters.conformance_usage import place_of
from tests.lifecycle.world import ACTOR, NOW, World

DAY = 86400


def reminders(world: World, outbox: MemoryOutbox, *patterns: str, rotate_after_days: int = 0) -> Reminders:
    review = ReviewKeys(world.registry, world.clock, unused_after_days=90, rotate_after_days=rotate_after_days)
    activity = ReviewActivity(world.memory, world.clock)
    return Reminders(review, activity, outbox, world.clock, {"ops": patterns or ("*",)})


async def told(outbox: MemoryOutbox) -> list[str]:
    return [one.event_type for one in await outbox.page(status=None, limit=100)]


async def test_an_expiring_key_is_told_of_once_for_each_notice(world: World, app: AppRecord) -> None:
    key = (await world.keys.create(ACTOR, app.id, "live", KeyFields(name="ci", expires_in="20d"))).record
    outbox = MemoryOutbox()
    reminding = reminders(world, outbox)
    for day, count in ((0, 0), (7, 1), (8, 1), (14, 2), (18, 2), (19.5, 3), (19.6, 3), (21, 3)):
        world.clock.seconds = NOW + day * DAY
        await reminding.remind()
        assert len(await told(outbox)) == count, day
    (first, *_) = await outbox.page(status=None, limit=1)
    body = json.loads(first.body)
    assert (body["type"], body["data"]["object"]["id"], body["data"]["key"]["name"]) == ("key.expiring", key.id, "ci")
    assert "digest" not in first.body


async def test_a_key_that_was_prolonged_is_told_of_again(world: World, app: AppRecord) -> None:
    key = (await world.keys.create(ACTOR, app.id, "live", KeyFields(expires_in="3d"))).record
    outbox = MemoryOutbox()
    await reminders(world, outbox).remind()
    await world.keys.update(ACTOR, key.id, KeyFields(expires_in="5d"))
    await reminders(world, outbox).remind()
    assert await told(outbox) == ["key.expiring"] * 2


async def test_an_old_key_is_due_once_and_only_who_asked_is_told(world: World, app: AppRecord) -> None:
    await world.keys.create(ACTOR, app.id, "live", KeyFields())
    world.clock.seconds = NOW + 91 * DAY
    outbox, other = MemoryOutbox(), MemoryOutbox()
    for _ in range(2):
        await reminders(world, outbox, rotate_after_days=90).remind()
        await reminders(world, other, "key.expiring", rotate_after_days=90).remind()
    assert (await told(outbox), await told(other)) == (["key.due"], [])


async def test_a_burst_is_told_of_once_a_day_a_network_once_and_only_to_who_asked(world: World, app: AppRecord) -> None:
    key = (await world.keys.create(ACTOR, app.id, "live", KeyFields())).record
    outbox, other = MemoryOutbox(), MemoryOutbox()
    begun = int(NOW) - 8 * DAY
    for at, place in ((begun, "192.0.2.1"), (int(NOW) - 60, "198.51.100.1")):
        await world.memory.add_usage(UsageBatch(at, {(key.id, "orders", 4): 90}, {}, {key.id: [place_of(place)]}))
    for _ in range(2):
        await reminders(world, outbox, "key.anomaly").remind()
        await reminders(world, other, "key.due").remind()
    assert (await told(outbox), await told(other)) == (["key.anomaly"] * 2, [])
    bodies = [json.loads(one.body)["data"] for one in await outbox.page(status=None, limit=10)]
    assert {body["object"]["id"] for body in bodies} == {key.id}
    assert sorted(body["anomaly"]["kind"] for body in bodies) == ["new_network", "refusals"]
    world.clock.seconds = NOW + DAY
    await world.memory.add_usage(UsageBatch(int(NOW) + DAY - 7200, {(key.id, "orders", 2): 9000}, {}))
    await world.memory.add_usage(UsageBatch(int(NOW) + DAY - 60, {(key.id, "orders", 4): 900}, {}))
    await reminders(world, outbox, "key.anomaly").remind()
    assert len(await told(outbox)) == 3
