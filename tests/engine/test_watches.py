"""Open connections: judged anew when something changed, when their credential ends, and when nobody has looked lately.

Limits are not taken for that, failures not counted.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

import pytest

from gateway_auth.core.decision import Allow, Deny
from gateway_auth.core.keys import Grant
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.policy import Policy
from gateway_auth.core.principal import ANONYMOUS
from gateway_auth.core.rates import parse_rate
from gateway_auth.engine.standing import NoLimits
from gateway_auth.engine.watches import Watch
from gateway_auth.ports import ChangeBatch
from tests.fakes import CLIENT, START, Minted, World, an_app, limit, request, ticks

POLICIES = (
    Policy(id="orders", path="/orders"),
    Policy(id="read", path="/read", scopes=frozenset({"orders:read"})),
    Policy(id="once", path="/once", limits=LimitSet([limit("once", "1/day")])),
)


def a_world(**changes: Any) -> World:
    return World(policies=POLICIES, **changes)


async def watched(world: World, key: Minted, path: str = "/orders") -> tuple[Watch, list[str]]:
    """A connection that was admitted, and the reasons it was ended for."""
    facts = request(path=path, key=key.text)
    decision = await world.decide(facts)
    assert isinstance(decision, Allow), decision
    ended: list[str] = []
    watch = world.watches.open(facts, decision.principal, lambda denial: ended.append(str(denial.reason)))
    assert await watch.may_go_on()
    assert watch.is_sure()
    return watch, ended


async def test_what_was_admitted_is_doubted_until_it_is_asked_once() -> None:
    # Its key may have changed while its limits were waited for.
    world = a_world()
    key = world.add_key()
    decision = await world.decide(facts := request(key=key.text))
    assert isinstance(decision, Allow)
    watch = world.watches.open(facts, decision.principal, lambda _: None)
    assert not watch.is_sure()
    assert await watch.may_go_on()
    assert watch.is_sure()
    await world.watches.stop()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "disabled"}, "credential_disabled"),
        ({"status": "revoked"}, "credential_revoked"),
        ({"scopes": ()}, "insufficient_scope"),
        ({"deny_networks": ("198.51.100.0/24",)}, "network_not_allowed"),
        ({"expires_at": int(START)}, "credential_expired"),
        ({"allow_requests": ("GET /elsewhere",)}, "request_not_allowed"),
    ],
)
async def test_a_change_of_the_key_ends_it(fields: dict[str, Any], reason: str) -> None:
    world = a_world()
    key, other = world.add_key(scopes=("orders:read",)), world.add_key(scopes=("orders:read",))
    watch, ended = await watched(world, key, "/read")
    beside, _ = await watched(world, other, "/read")
    world.store.edit_key(key.id, **fields)
    await world.poll()
    assert not watch.is_sure()
    assert beside.is_sure()
    await ticks()
    assert ended == [reason]
    assert not await watch.may_go_on()
    assert len(world.watches) == 1
    await world.watches.stop()


async def test_a_change_that_leaves_it_as_it_was_ends_nothing() -> None:
    world = a_world()
    key = world.add_key()
    watch, ended = await watched(world, key)
    world.store.edit_key(key.id, name="renamed")
    await world.poll()
    await ticks()
    assert ended == []
    assert watch.is_sure()
    await world.watches.stop()


@pytest.mark.parametrize("change", ["deleted", "app disabled", "app deleted", "log lost"])
async def test_what_is_gone_ends_it(change: str) -> None:
    world = a_world()
    key = world.add_key()
    _, ended = await watched(world, key)
    if change == "deleted":
        world.store.delete_key(key.id)
    elif change == "app disabled":
        world.store.put_app(an_app(status="disabled"))
    elif change == "app deleted":
        world.store.delete_app("app_1")
    else:
        world.store.delete_key(key.id)
        world.store.pruned = world.store.revision
    await world.poll()
    await ticks()
    assert len(ended) == 1
    await world.watches.stop()


async def test_nothing_passes_while_the_answer_is_awaited_and_what_changes_meanwhile_is_asked_again() -> None:
    world = a_world()
    key = world.add_key()
    watch, ended = await watched(world, key)
    world.store.edit_key(key.id, name="renamed")
    world.store.hold()
    await world.poll()
    await ticks()
    assert not watch.is_sure()
    world.store.edit_key(key.id, status="disabled")
    await world.poll()
    world.store.release()
    await ticks(50)
    assert ended == ["credential_disabled"]
    await world.watches.stop()


async def test_it_is_not_sure_beyond_the_end_of_its_key() -> None:
    world = a_world()
    key = world.add_key(expires_at=int(START) + 60)
    watch, ended = await watched(world, key)
    world.clock.advance(59.5)
    await world.poll()
    assert watch.is_sure()
    world.clock.advance(0.5)
    assert not watch.is_sure()
    assert not await watch.may_go_on()
    assert ended == ["credential_expired"]
    await world.watches.stop()


@pytest.mark.parametrize(("path", "goes_on"), [("/read", False), ("/orders", True)])
async def test_the_end_of_a_grant_ends_what_stood_on_it(path: str, goes_on: bool) -> None:
    world = a_world()
    key = world.add_key(grants=(Grant("orders:read", int(START) + 10),))
    watch, _ = await watched(world, key, path)
    world.clock.advance(10)
    await world.poll()
    assert not watch.is_sure()
    assert await watch.may_go_on() == goes_on
    assert watch.is_sure() == goes_on
    await world.watches.stop()


async def test_asking_takes_no_limit_and_is_not_refused_by_one() -> None:
    world = a_world()
    key = world.add_key()
    watch, ended = await watched(world, key, "/once")
    assert isinstance(await world.decide(request(path="/once", key=key.text)), Deny)
    world.store.edit_key(key.id, name="renamed")
    await world.poll()
    await ticks()
    assert (ended, watch.is_sure()) == ([], True)
    await world.watches.stop()


async def test_connections_of_a_deleted_key_are_no_guesses() -> None:
    world = a_world(brake_rate=parse_rate("1/minute"))
    key, other = world.add_key(), world.add_key()
    for _ in range(5):
        await watched(world, key)
    world.store.delete_key(key.id)
    await world.poll()
    await ticks()
    assert len(world.watches) == 0
    assert isinstance(await world.decide(request(key=other.text, client=CLIENT)), Allow)


async def test_the_brake_on_an_address_does_not_end_what_is_open() -> None:
    world = a_world(brake_rate=parse_rate("1/minute"))
    key = world.add_key()
    watch, ended = await watched(world, key)
    for _ in range(3):
        await world.decide(request(key="gwk_live_nonsense"))
    world.store.edit_key(key.id, name="renamed")
    await world.poll()
    await ticks()
    assert (ended, watch.is_sure()) == ([], True)
    await world.watches.stop()


async def test_without_a_recent_look_at_the_log_nothing_is_sure_and_the_log_is_read() -> None:
    world = a_world()
    key = world.add_key()
    watch, ended = await watched(world, key)
    world.store.edit_key(key.id, status="revoked")
    world.clock.advance(2.0)  # Nobody polled.
    assert not watch.is_sure()
    assert not await watch.may_go_on()
    assert ended == ["credential_revoked"]
    await world.watches.stop()


async def test_a_store_that_is_away_is_borne_as_long_as_for_requests() -> None:
    world = a_world(max_stale_seconds=60.0)
    key = world.add_key()
    watch, ended = await watched(world, key)
    world.store.go_down()
    for _ in range(30):
        world.clock.advance(1.9)
        await world.poll()
        assert await watch.may_go_on()
    world.clock.advance(5)
    assert not await watch.may_go_on()
    assert ended == ["dependency_unavailable"]
    await world.watches.stop()


async def test_the_tick_finds_idle_ones_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_auth.engine.watches.TICK_SECONDS", 0.01)
    world = a_world()
    key = world.add_key(expires_at=int(START) + 60)
    _, ended = await watched(world, key)
    world.clock.advance(60)
    async with asyncio.timeout(30):
        while not ended:  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # the product tells nobody else
    assert ended == ["credential_expired"]
    assert len(world.watches) == 0


async def test_what_cannot_be_judged_for_a_bug_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    world = a_world()
    key = world.add_key()
    watch, ended = await watched(world, key)
    world.store.key_failure = ZeroDivisionError()
    world.watches.hear(ChangeBatch(1, is_complete=False))
    world.cache.discard(key.id.encode())
    assert not await watch.may_go_on()
    assert ended == ["dependency_unavailable"]
    assert "could not be judged" in caplog.text
    await world.watches.stop()


async def test_a_connection_that_ended_by_itself_is_forgotten() -> None:
    world = a_world()
    key = world.add_key()
    watch, ended = await watched(world, key)
    watch.close()
    world.store.edit_key(key.id, status="revoked")
    await world.poll()
    await ticks()
    assert (ended, len(world.watches)) == ([], 0)
    await world.watches.stop()


async def test_many_are_asked_in_turns() -> None:
    world = a_world()
    key = world.add_key()
    all_ended = [(await watched(world, key))[1] for _ in range(500)]
    world.store.edit_key(key.id, status="revoked")
    await world.poll()
    await ticks(100)
    assert all_ended == [["credential_revoked"]] * 500
    assert world.store.reads.count(key.id) == 2


async def test_the_timer_rests_when_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_auth.engine.watches.TICK_SECONDS", 0.001)
    world = a_world()
    watch, _ = await watched(world, world.add_key())
    watch.close()
    async with asyncio.timeout(30):
        while world.watches._timer is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)  # the product tells nobody
    await world.watches.stop()


async def test_what_came_without_a_credential_has_no_end() -> None:
    world = a_world()
    assert world.watches._standing.until(request(), Allow(POLICIES[0], ANONYMOUS)) == inf


async def test_limits_that_are_none_admit_at_once_and_when_waited_for() -> None:
    limits = POLICIES[2].limits
    now = NoLimits().take_now(limits, [])
    assert now is not None
    assert (now.is_admitted, (await NoLimits().take(limits, [])).is_admitted) == (True, True)


async def test_a_doubt_that_is_raised_while_the_answer_is_awaited_is_not_laid_by_it() -> None:
    world = a_world()
    key = world.add_key()
    watch, ended = await watched(world, key)
    world.store.edit_key(key.id, name="renamed")
    world.store.hold()
    await world.poll()
    asking = asyncio.create_task(watch.may_go_on())
    await ticks()
    world.watches.hear(ChangeBatch(world.store.revision, is_complete=False))
    world.store.let_one_go()
    await ticks()
    assert await asking
    world.store.release()
    await ticks(50)
    assert (ended, watch.is_sure()) == ([], True)
    await world.watches.stop()
