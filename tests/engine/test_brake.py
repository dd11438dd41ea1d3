"""The brake holds up who guesses, and nobody else."""

from __future__ import annotations

import asyncio

import pytest

from gateway_auth.core.decision import Deny
from gateway_auth.core.network import Address
from gateway_auth.core.policy import Policy
from gateway_auth.core.rates import parse_rate
from gateway_auth.engine import brake as brake_module
from gateway_auth.engine.brake import Brake
from tests.fakes import CLIENT, FakeClock, World, a_key, address, request, ticks, told, unknown_key, wrong_secret

RATE = parse_rate("3/minute")
HERE, ELSEWHERE = address(CLIENT), address("203.0.113.9")


def failed(brake: Brake, client: Address | None, times: int) -> Brake:
    for _ in range(times):
        brake.failed(client)
    return brake


# -- by itself -----------------------------------------------------------------------------------------------------


def test_an_address_waits_after_as_many_failures_as_allowed() -> None:
    clock = FakeClock()
    brake = Brake(RATE, clock)
    for _ in range(3):
        assert brake.wait_seconds(HERE) == 0
        brake.failed(HERE)
    assert brake.wait_seconds(HERE) == 60
    assert brake.wait_seconds(ELSEWHERE) == 0
    clock.advance(59.5)
    assert brake.wait_seconds(HERE) == 1
    clock.advance(0.5)
    assert brake.wait_seconds(HERE) == 0


def test_asking_costs_nothing() -> None:
    brake = failed(Brake(RATE, FakeClock()), HERE, 2)
    for _ in range(50):
        assert brake.wait_seconds(HERE) == 0
    brake.failed(HERE)
    assert brake.wait_seconds(HERE) > 0


def test_failures_while_waiting_do_not_lengthen_the_wait() -> None:
    clock = FakeClock()
    brake = failed(Brake(RATE, clock), HERE, 3)
    clock.advance(30)
    failed(brake, HERE, 50)
    assert brake.wait_seconds(HERE) == 30


def test_a_success_clears_the_address() -> None:
    brake = failed(Brake(RATE, FakeClock()), HERE, 3)
    brake.failed(ELSEWHERE)
    brake.succeeded(HERE)
    assert brake.wait_seconds(HERE) == 0
    assert not brake.is_idle
    brake.succeeded(ELSEWHERE)
    assert brake.is_idle


def test_an_ipv6_address_counts_by_its_64() -> None:
    brake = Brake(RATE, FakeClock())
    for host in range(3):
        brake.failed(address(f"2001:db8:1:2::{host:x}"))
    assert brake.wait_seconds(address("2001:db8:1:2:ffff::1")) == 60
    assert brake.wait_seconds(address("2001:db8:1:3::1")) == 0


def test_a_mapped_address_counts_as_the_ipv4_address() -> None:
    brake = failed(Brake(RATE, FakeClock()), address("::ffff:198.51.100.7"), 3)
    assert brake.wait_seconds(HERE) == 60
    assert brake.wait_seconds(address("198.51.100.8")) == 0


def test_requests_without_address_count_together() -> None:
    brake = failed(Brake(RATE, FakeClock()), None, 3)
    assert brake.wait_seconds(None) == 60
    assert brake.wait_seconds(HERE) == 0


def test_a_brake_without_rate_never_brakes() -> None:
    brake = failed(Brake(None, FakeClock()), HERE, 1000)
    assert brake.is_idle
    assert brake.wait_seconds(HERE) == 0


@pytest.mark.parametrize("rate", ["3/minute burst 3", "3/minute fixed", "100/hour"])
def test_every_kind_of_rate_brakes(rate: str) -> None:
    parsed = parse_rate(rate)
    brake = failed(Brake(parsed, FakeClock()), HERE, parsed.capacity)
    assert brake.wait_seconds(HERE) >= 1


def test_addresses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brake_module, "MAX_ADDRESSES", 100)
    brake = Brake(parse_rate("1/hour"), FakeClock())
    for number in range(1000):
        brake.failed(Address((0xFFFF << 32) + number))
    held = [number for number in range(1000) if brake.wait_seconds(Address((0xFFFF << 32) + number))]
    assert len(held) <= 100
    assert 999 in held


# -- on the way of a request ---------------------------------------------------------------------------------------


def braked_world(**more: object) -> World:
    return World(brake_rate=RATE, **more)  # type: ignore[arg-type] # a table's columns


async def test_guessing_is_braked_for_its_address_and_good_keys_work_elsewhere() -> None:
    world = braked_world()
    key = world.add_key()
    answers = [await world.decide(request(key=unknown_key())) for _ in range(5)]
    assert [told(answer) for answer in answers] == ["invalid_credential"] * 3 + ["too_many_failures"] * 2
    assert isinstance(answers[4], Deny)
    assert answers[4].retry_after_seconds == 60
    assert told(await world.decide(request(key=key.text, client="203.0.113.9"))) == "allow"
    assert told(await world.decide(request(key=key.text))) == "too_many_failures"
    world.clock.advance(60)
    await world.poll()
    assert told(await world.decide(request(key=key.text))) == "allow"


@pytest.mark.parametrize("guess", ["malformed", "unknown", "wrong-secret", "bearer"])
async def test_every_kind_of_guess_counts(guess: str) -> None:
    world = braked_world()
    key = world.add_key()
    await world.warm(key)
    facts = {
        "malformed": request(key="rubbish"), "unknown": request(key=unknown_key()),
        "wrong-secret": request(key=wrong_secret(key)), "bearer": request(authorization="Bearer a.b.c"),
    }[guess]  # fmt: skip
    assert [told(await world.decide(facts)) for _ in range(4)] == ["invalid_credential"] * 3 + ["too_many_failures"]


async def test_what_is_no_guess_does_not_count() -> None:
    world = braked_world(policies=(Policy(id="orders", path="/orders", scopes=frozenset("a")),))
    disabled, bare = world.add_key(status="disabled"), world.add_key()
    for facts in (
        request(), request(key=disabled.text), request(key=bare.text), request(path="/nowhere", key="rubbish"),
        request(query=b"k=" + a_key().text.encode()), request(key="x", authorization="Bearer x"),
    ):  # fmt: skip
        for _ in range(5):
            assert told(await world.decide(facts)) != "too_many_failures"
    assert world.brake.is_idle


async def test_a_good_key_from_the_same_address_clears_it_while_it_may_still_try() -> None:
    world = braked_world()
    key = world.add_key()
    for _ in range(5):
        for _ in range(2):
            assert told(await world.decide(request(key="rubbish"))) == "invalid_credential"
        assert told(await world.decide(request(key=key.text))) == "allow"


async def test_a_braked_address_costs_no_hash_and_no_store() -> None:
    world = braked_world()
    for _ in range(3):
        await world.decide(request(key="rubbish"))
    await world.poll()
    for _ in range(20):
        assert told(world.begin(request(key=unknown_key()))) == "too_many_failures"
    assert world.store.reads == []


async def test_public_routes_are_open_to_a_braked_address() -> None:
    world = braked_world(policies=(Policy(id="p", path="/public", access="public"),))
    failed(world.brake, HERE, 3)
    assert told(world.begin(request(path="/public"))) == "allow"


async def test_a_botnet_does_not_hold_up_anybody_else() -> None:
    world = braked_world()
    key = world.add_key()
    await world.warm(key)
    for number in range(500):
        client = f"10.{number >> 8}.{number & 255}.1"
        for _ in range(4):
            world.begin(request(key="rubbish", client=client))
        assert told(world.begin(request(key=key.text))) == "allow"


async def test_guesses_that_wait_for_the_store_together_are_no_more_than_the_brake_allows() -> None:
    world = World(brake_rate=RATE)
    world.store.hold()
    guesses = [asyncio.create_task(world.decide(request(key=unknown_key()))) for _ in range(20)]
    await ticks()
    world.store.release()
    answers = [told(decision) for decision in await asyncio.gather(*guesses)]
    assert answers.count("invalid_credential") == 3
    assert answers.count("too_many_failures") == 17
