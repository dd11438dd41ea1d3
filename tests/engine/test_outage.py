"""The store is down, slow or half there: cached keys go on for as long as promised, and nobody is told 401 for it."""

from __future__ import annotations

import asyncio

import pytest

from gateway_auth.core.decision import Allow, Deny
from gateway_auth.core.policy import Policy
from gateway_auth.core.rates import parse_rate
from gateway_auth.engine import changes, key_reads
from gateway_auth.errors import StoreUnavailable
from tests.fakes import Minted, World, a_key, request, told


async def a_second_later(world: World) -> None:
    """What the task that follows the log does once a second."""
    world.clock.advance(1.0)
    await world.poll()


async def warm_world(max_stale_seconds: float = 60.0, cache_seconds: float = 30.0) -> tuple[World, Minted]:
    world = World(max_stale_seconds=max_stale_seconds, cache_seconds=cache_seconds)
    key = world.add_key()
    await world.warm(key)
    return world, key


async def test_a_cached_key_is_served_for_as_long_as_allowed_and_then_503() -> None:
    world, key = await warm_world(max_stale_seconds=60.0, cache_seconds=30.0)
    world.store.go_down()
    for second in range(1, 60):
        await a_second_later(world)
        decision = world.begin(request(key=key.text))
        assert isinstance(decision, Allow), second
        assert decision.is_degraded
    await a_second_later(world)
    decision = await world.decide(request(key=key.text))
    assert isinstance(decision, Deny)
    assert (told(decision), decision.retry_after_seconds >= 1) == ("dependency_unavailable", True)


async def test_a_cached_key_does_not_wait_in_an_outage_even_when_only_requests_notice_it() -> None:
    world, key = await warm_world()
    world.store.go_down()
    world.clock.advance(2.0)
    assert told(await world.decide(request(key=key.text))) == "allow"
    assert told(world.begin(request(key=key.text))) == "allow"


async def test_an_entry_that_gets_too_old_in_an_outage_goes_on() -> None:
    world, key = await warm_world(cache_seconds=1.5)
    world.clock.advance(1.5)
    world.store.go_down()
    decision = await world.decide(request(key=key.text))
    assert isinstance(decision, Allow)
    assert decision.is_degraded


async def test_an_uncached_key_is_answered_503_and_never_401() -> None:
    world, _ = await warm_world()
    other = world.add_key()
    world.store.go_down()
    for _ in range(5):
        assert told(await world.decide(request(key=other.text))) == "dependency_unavailable"
        world.clock.advance(0.3)


async def test_a_key_nobody_knows_is_answered_503_too() -> None:
    world, _ = await warm_world()
    world.store.go_down()
    assert told(await world.decide(request(key=a_key().text))) == "dependency_unavailable"


async def test_an_outage_counts_as_nobodys_failure() -> None:
    world = World(brake_rate=parse_rate("1/minute"))
    world.store.go_down()
    for _ in range(5):
        assert told(await world.decide(request(key=a_key().text))) == "dependency_unavailable"


async def test_a_store_that_is_down_is_not_asked_by_every_request() -> None:
    world, _ = await warm_world()
    world.store.go_down()
    for _ in range(100):
        await world.decide(request(key=a_key().text))
    assert len(world.store.reads) <= 3


async def test_after_an_outage_uncached_keys_work_within_a_second() -> None:
    world, _ = await warm_world()
    other = world.add_key()
    world.store.go_down()
    assert told(await world.decide(request(key=other.text))) == "dependency_unavailable"
    world.store.come_back()
    world.clock.advance(0.999)
    assert told(await world.decide(request(key=other.text))) == "allow"


async def test_after_an_outage_what_changed_meanwhile_is_read_with_the_log() -> None:
    world, key = await warm_world()
    world.store.go_down()
    await a_second_later(world)
    world.store.edit_key(key.id, status="revoked")
    world.store.come_back()
    await a_second_later(world)
    assert not world.changes.is_degraded
    assert told(await world.decide(request(key=key.text))) == "credential_revoked"


async def test_expiry_is_kept_to_the_second_in_an_outage() -> None:
    world = World()
    key = world.add_key(expires_at=int(world.clock.now()) + 5)
    await world.warm(key)
    world.store.go_down()
    for _ in range(4):
        await a_second_later(world)
        assert told(world.begin(request(key=key.text))) == "allow"
    await a_second_later(world)
    assert told(world.begin(request(key=key.text))) == "credential_expired"


async def test_public_routes_need_no_store() -> None:
    world = World(
        (Policy(id="p", path="/public", access="public"), Policy(id="o", path="/optional", access="optional"))
    )
    world.store.go_down()
    await world.poll()
    for path in ("/public", "/optional"):
        assert told(world.begin(request(path=path))) == "allow"


async def test_a_log_that_cannot_be_read_is_an_outage_though_keys_can() -> None:
    """Without the log nobody knows what is out of date: nothing is served past the limit."""
    world, key = await warm_world(max_stale_seconds=3.0)
    other = world.add_key()
    world.store.feed_failure = StoreUnavailable("half down")
    for _ in range(2):
        await a_second_later(world)
        assert told(world.begin(request(key=key.text))) == "allow"
    world.clock.advance(1.0)
    for minted in (other, key):
        assert told(await world.decide(request(key=minted.text))) == "dependency_unavailable"


async def test_keys_that_cannot_be_read_while_the_log_can_leave_fresh_entries_alone() -> None:
    world, key = await warm_world()
    world.store.key_failure = StoreUnavailable("half down")
    await a_second_later(world)
    assert told(world.begin(request(key=key.text))) == "allow"
    assert told(await world.decide(request(key=a_key().text))) == "dependency_unavailable"


async def test_a_key_that_cannot_be_read_again_goes_on_while_the_log_can_for_as_long_as_in_an_outage() -> None:
    world, key = await warm_world(max_stale_seconds=60.0, cache_seconds=30.0)
    world.store.key_failure = StoreUnavailable("half down")
    for second in range(1, 90):
        await a_second_later(world)
        assert told(await world.decide(request(key=key.text))) == "allow", second
    await a_second_later(world)
    assert told(await world.decide(request(key=key.text))) == "dependency_unavailable"


async def test_a_key_that_cannot_be_read_again_is_waited_for_once() -> None:
    world, key = await warm_world(cache_seconds=30.0)
    world.store.key_failure = StoreUnavailable("half down")
    world.clock.advance(30.0)
    await world.poll()
    assert told(await world.decide(request(key=key.text))) == "allow"
    assert told(world.begin(request(key=key.text))) == "allow"


async def test_a_change_of_a_key_that_cannot_be_read_again_holds() -> None:
    world, key = await warm_world(cache_seconds=30.0)
    world.store.key_failure = StoreUnavailable("half down")
    world.clock.advance(30.0)
    await world.poll()
    assert told(await world.decide(request(key=key.text))) == "allow"
    world.store.edit_key(key.id, status="revoked")
    await world.poll()
    assert told(await world.decide(request(key=key.text))) == "dependency_unavailable"


async def test_a_key_the_store_no_longer_had_is_not_served_in_the_outage_after() -> None:
    """What was read last is that there is no such key, though no row of the log says so (a restored backup)."""
    world, key = await warm_world(cache_seconds=1.0)
    del world.store.keys[key.id]
    await a_second_later(world)
    assert told(await world.decide(request(key=key.text))) == "invalid_credential"
    world.store.go_down()
    await a_second_later(world)
    assert told(await world.decide(request(key=key.text))) != "allow"


async def test_a_key_the_store_no_longer_has_is_asked_for_once_in_a_while() -> None:
    world, key = await warm_world(cache_seconds=1.0)
    del world.store.keys[key.id]
    await a_second_later(world)
    reads = len(world.store.reads)
    for _ in range(20):
        assert told(await world.decide(request(key=key.text))) == "invalid_credential"
    assert len(world.store.reads) == reads + 1


async def test_a_deletion_read_with_a_key_before_it_is_read_with_the_log_holds_in_an_outage() -> None:
    world, key = await warm_world(cache_seconds=1.0)
    world.store.delete_key(key.id)
    world.clock.advance(1.0)
    assert told(await world.decide(request(key=key.text))) == "invalid_credential"
    world.store.go_down()
    await world.poll()
    assert told(await world.decide(request(key=key.text))) != "allow"


async def test_a_store_that_hangs_makes_no_cached_request_wait_once_that_is_known() -> None:
    """A reading may take 1.5 s and begins a second after the last: facts must be usable until it has failed."""
    world, key = await warm_world()
    world.store.go_down()
    await a_second_later(world)
    assert world.changes.is_degraded
    world.store.come_back()
    world.store.hold(keys=True, feed=True)
    world.clock.advance(changes.POLL_SECONDS)
    hanging = asyncio.create_task(world.poll())
    await asyncio.sleep(0)
    try:
        world.clock.advance(changes.READ_TIMEOUT_SECONDS - 0.01)
        assert told(world.begin(request(key=key.text))) == "allow"
    finally:
        await asyncio.sleep(0)
        world.store.release()
        await hanging


async def test_a_reading_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_reads, "READ_TIMEOUT_SECONDS", 0.01)
    monkeypatch.setattr(changes, "READ_TIMEOUT_SECONDS", 0.01)
    world, key = await warm_world()
    other = world.add_key()
    world.store.hold(keys=True, feed=True)
    assert told(await world.decide(request(key=other.text))) == "dependency_unavailable"
    assert told(world.begin(request(key=key.text))) == "allow"
    world.store.release()
