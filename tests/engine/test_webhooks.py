"""Events: made of audit records, sent by one worker, tried again for days, given up in the end."""

from __future__ import annotations

import asyncio

from gateway_auth.adapters.memory_outbox import MemoryOutbox
from gateway_auth.core.webhook import RETRY_SECONDS, Delivery
from gateway_auth.engine import webhooks
from gateway_auth.engine.webhooks import Dispatcher
from gateway_auth.lifecycle.apps import AppFields
from tests.lifecycle.world import ACTOR, NOW, World


class Receiver:
    """Takes events, unless told otherwise."""

    def __init__(self) -> None:
        self.taken: list[Delivery] = []
        self.failures: list[str] = []
        self.is_hanging = False
        self.was_asked = asyncio.Event()

    async def post(self, delivery: Delivery, now: float) -> str | None:
        self.was_asked.set()
        if self.is_hanging:
            await asyncio.Event().wait()
        if self.failures:
            return self.failures.pop(0)
        self.taken.append(delivery)
        return None

    async def close(self) -> None:
        pass


class Site:
    """A registry somebody changes, an outbox, and one receiver that asked for some events."""

    def __init__(self, *patterns: str) -> None:
        self.world = World()
        self.outbox = MemoryOutbox()
        self.receiver = Receiver()
        self.patterns = patterns
        self.reminded = 0

    def dispatcher(self) -> Dispatcher:
        """A worker's."""
        wanted = {"ops": self.patterns}
        clients = {"ops": self.receiver}
        return Dispatcher(wanted, clients, self.world.registry, self.outbox, self.world.clock, self.remind)

    async def remind(self) -> None:
        self.reminded += 1

    @property
    def told(self) -> list[str]:
        """Types of events, in order of arrival."""
        return [one.event_type for one in self.receiver.taken]


async def started(site: Site) -> Dispatcher:
    """A worker that has seen the webhook."""
    dispatcher = site.dispatcher()
    await dispatcher.dispatch()
    return dispatcher


async def test_what_happened_before_a_webhook_was_configured_is_not_told() -> None:
    site = Site("*")
    await site.world.apps.create(ACTOR, AppFields(name="before"))
    dispatcher = await started(site)
    app = await site.world.apps.create(ACTOR, AppFields(name="after"))
    await site.world.apps.disable(ACTOR, app.id)
    await dispatcher.dispatch()
    assert site.told == ["app.create", "app.disable"]
    assert '"name":"after"' in site.receiver.taken[0].body
    await dispatcher.dispatch()
    assert len(site.told) == 2


async def test_only_what_was_asked_for_is_told() -> None:
    site = Site("app.disable", "key.*")
    dispatcher = await started(site)
    app = await site.world.apps.create(ACTOR, AppFields(name="x"))
    await site.world.apps.disable(ACTOR, app.id)
    await dispatcher.dispatch()
    assert site.told == ["app.disable"]


async def test_many_workers_tell_each_event_once() -> None:
    site = Site("*")
    workers = [await started(site) for _ in range(5)]
    for number in range(30):
        await site.world.apps.create(ACTOR, AppFields(name=f"app {number}"))
    await asyncio.gather(*(worker.dispatch() for worker in workers))
    assert len(site.receiver.taken) == len({one.id for one in site.receiver.taken}) == 30


async def test_a_failure_is_tried_again_as_standard_webhooks_recommend_and_given_up_in_the_end() -> None:
    site = Site("*")
    dispatcher = await started(site)
    await site.world.apps.create(ACTOR, AppFields(name="x"))
    site.receiver.failures = ["answered 500"] * (len(RETRY_SECONDS) + 1)
    await dispatcher.dispatch()
    delivery = await only(site)
    waits = [delivery.next_at - site.world.clock.now()]
    while delivery.status == "waiting":
        site.world.clock.seconds = delivery.next_at
        await dispatcher.dispatch()
        delivery = await only(site)
        waits.append(delivery.next_at - site.world.clock.now())
    assert waits[:-1] == list(RETRY_SECONDS)
    assert (delivery.status, delivery.attempts) == ("dead", len(RETRY_SECONDS) + 1)
    assert (delivery.last_error, site.told) == ("answered 500", [])


async def test_what_a_worker_was_sending_when_it_died_is_sent_by_another() -> None:
    site = Site("*")
    dispatcher = await started(site)
    await site.world.apps.create(ACTOR, AppFields(name="x"))
    site.receiver.is_hanging = True
    dying = asyncio.ensure_future(dispatcher.dispatch())
    await site.receiver.was_asked.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    site.receiver.is_hanging = False
    other = site.dispatcher()
    await other.dispatch()
    assert site.told == []
    site.world.clock.seconds += webhooks.CLAIM_SECONDS
    await other.dispatch()
    assert site.told == ["app.create"]


async def test_a_webhook_this_worker_does_not_know_is_left_to_those_who_do() -> None:
    site = Site("nothing.at_all")
    dispatcher = await started(site)
    other = Delivery(
        id="new/1", webhook_id="new", event_id="1", event_type="x.y", body="{}", created_at=NOW, next_at=NOW
    )
    await site.outbox.add([other])
    await dispatcher.dispatch()
    assert await only(site) == other
    site.world.clock.seconds += webhooks.KEPT_SECONDS + 1
    await dispatcher.dispatch()
    assert await site.outbox.page(status=None, limit=1) == [], "nobody has known it for so long"


async def test_reminders_are_asked_for_once_an_hour() -> None:
    site = Site("*")
    dispatcher = await started(site)
    for seconds, reminded in ((0, 1), (3599, 1), (1, 2), (10, 2)):
        site.world.clock.seconds += seconds
        await dispatcher.dispatch()
        assert site.reminded == reminded


async def only(site: Site) -> Delivery:
    """The one delivery there is."""
    (delivery,) = await site.outbox.page(status=None, limit=2)
    return delivery
