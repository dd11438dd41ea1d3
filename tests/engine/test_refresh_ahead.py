"""A key in use is read again before it is too old, beside the requests: none of them waits, and no change is missed."""

from __future__ import annotations

from msgspec.structs import replace

from gateway_auth.core.decision import Allow
from gateway_auth.core.keys import Grant
from gateway_auth.engine.api_key import REFRESH_PART, RETRY_SECONDS
from gateway_auth.errors import StoreUnavailable
from tests.fakes import Minted, World, request, ticks, told

LIFE = 30.0
LATEST = LIFE * (1 - REFRESH_PART)
"""From here on every key is due."""


async def warmed(world: World) -> Minted:
    """A key that is remembered, and what was read so far forgotten."""
    key = world.add_key()
    await world.warm(key)
    world.store.reads.clear()
    return key


async def later(world: World, seconds: float) -> None:
    """Time passes, and the change log is read as it is every second."""
    world.clock.advance(seconds)
    await world.poll()


def is_served(world: World, key: Minted) -> bool:
    return isinstance(world.begin(request(key=key.text)), Allow)


async def test_a_key_in_use_is_never_waited_for() -> None:
    world = World(cache_seconds=LIFE)
    key = await warmed(world)
    for _ in range(100):
        await later(world, 1.0)
        assert is_served(world, key)
        await ticks()
    assert 3 <= len(world.store.reads) <= 4


async def test_however_many_use_it_it_is_read_once() -> None:
    world = World(cache_seconds=LIFE)
    key = await warmed(world)
    world.store.hold(keys=True)
    await later(world, LATEST)
    for _ in range(50):
        assert is_served(world, key)
    await ticks()
    assert world.store.reads == [key.record.id]
    world.store.release()
    await ticks()
    await later(world, LIFE - LATEST)
    assert is_served(world, key)


async def test_a_reading_that_takes_long_is_not_begun_twice() -> None:
    world = World(cache_seconds=LIFE)
    key = await warmed(world)
    world.store.hold(keys=True)
    await later(world, LATEST)
    for _ in range(2):
        assert is_served(world, key)
        await ticks()
        await later(world, RETRY_SECONDS)
    assert world.store.reads == [key.record.id]
    world.store.release()


async def test_a_key_nobody_uses_is_not_read() -> None:
    world = World(cache_seconds=LIFE)
    await warmed(world)
    await later(world, LATEST)
    await ticks()
    assert world.store.reads == []


async def test_a_young_key_is_not_read() -> None:
    world = World(cache_seconds=LIFE)
    key = await warmed(world)
    await later(world, LIFE * (1 - 2 * REFRESH_PART) - 0.01)
    assert is_served(world, key)
    await ticks()
    assert world.store.reads == []


async def test_keys_read_together_are_not_read_again_together() -> None:
    world = World(cache_seconds=LIFE)
    keys = [world.add_key() for _ in range(64)]
    await world.warm(*keys)
    world.store.reads.clear()
    await later(world, LIFE * (1 - 1.5 * REFRESH_PART))
    assert all(is_served(world, key) for key in keys)
    await ticks()
    assert 8 < len(world.store.reads) < 56


async def test_a_reading_that_fails_costs_nobody_anything_until_the_key_is_too_old() -> None:
    world = World(cache_seconds=LIFE)
    key = await warmed(world)
    world.store.key_failure = StoreUnavailable("down")
    await later(world, LATEST)
    for _ in range(3):
        assert is_served(world, key)
        await ticks()
    assert len(world.store.reads) == 1
    world.store.key_failure = None
    await later(world, LIFE)
    assert told(await world.decide(request(key=key.text))) == "allow"


async def test_a_reading_that_fails_is_tried_again_before_the_key_is_too_old() -> None:
    world = World(cache_seconds=LIFE)
    key = await warmed(world)
    world.store.key_failure = StoreUnavailable("down")
    await later(world, LATEST)
    assert is_served(world, key)
    await ticks()
    world.store.key_failure = None
    await later(world, RETRY_SECONDS)
    assert is_served(world, key)
    await ticks()
    await later(world, LIFE - LATEST)
    assert is_served(world, key)
    assert len(world.store.reads) == 2


async def test_what_did_not_change_stays_the_same_principal() -> None:
    """Memos of it, as the one of `request.auth`, would else hold one of each reading."""
    world = World(cache_seconds=LIFE)
    key = await warmed(world)
    first = world.begin(request(key=key.text))
    world.store.keys[key.id] = replace(key.record, last_used_at=5, last_used_address="192.0.2.1")
    await later(world, LIFE)
    second = await world.decide(request(key=key.text))
    assert isinstance(first, Allow)
    assert isinstance(second, Allow)
    assert second.principal is first.principal
    assert len(world.store.reads) == 1


async def test_when_a_grant_ends_the_key_is_read_again_once() -> None:
    world = World(cache_seconds=LIFE)
    key = world.add_key(scopes=("a",), grants=(Grant("b", int(world.clock.now()) + 5),))
    await world.warm(key)
    world.store.reads.clear()
    await later(world, 5.0)
    for _ in range(3):
        decision = world.begin(request(key=key.text))
        assert isinstance(decision, Allow)
        assert decision.principal.scopes == {"a"}
        await ticks()
    assert world.store.reads == [key.id]
    first, second = (world.begin(request(key=key.text)) for _ in range(2))
    assert isinstance(first, Allow)
    assert isinstance(second, Allow)
    assert first.principal is second.principal


async def test_a_reading_that_began_before_a_change_does_not_undo_it() -> None:
    world = World(cache_seconds=LIFE)
    key = await warmed(world)
    world.store.hold(keys=True)
    await later(world, LATEST)
    assert is_served(world, key)
    await ticks()
    world.store.edit_key(key.record.id, status="disabled")
    await world.poll()
    world.store.release()
    await ticks()
    assert told(await world.decide(request(key=key.text))) == "credential_disabled"


async def test_a_refreshed_key_has_its_new_rights() -> None:
    world = World(cache_seconds=LIFE)
    key = await warmed(world)
    world.store.keys[key.record.id] = key.record  # as it was; what changed is in the log, and forgotten at once
    world.store.edit_key(key.record.id, scopes=("orders:write",))
    await later(world, 1.0)
    decision = await world.decide(request(key=key.text))
    assert isinstance(decision, Allow)
    assert decision.principal.scopes == {"orders:write"}


async def test_what_is_being_read_ends_with_the_verifier() -> None:
    world = World(cache_seconds=LIFE)
    key = await warmed(world)
    world.store.hold(keys=True)
    await later(world, LATEST)
    assert is_served(world, key)
    await ticks()
    await world.verifier.close()
    world.store.release()
    await ticks()
