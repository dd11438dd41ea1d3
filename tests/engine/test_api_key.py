"""Keys are verified from memory, else from the store, once; and nothing that is no key reaches the store."""

from __future__ import annotations

import asyncio

import pytest

from gateway_auth.core.keyhash import PepperRing
from gateway_auth.engine import key_reads
from gateway_auth.engine.api_key import Invalid
from gateway_auth.engine.key_reads import MAX_OF_STRANGERS, MAX_READS
from gateway_auth.engine.principal_cache import UNKNOWN_SECONDS
from tests.fakes import World, a_key, request, ticks, told, unknown_key, wrong_secret

LIFE = 30.0
"""Seconds a key is remembered in these worlds."""

# -- malformed -----------------------------------------------------------------------------------------------------


def malformed() -> list[bytes]:
    good = a_key().text.encode()
    flipped = [good[:i] + (b"A" if good[i : i + 1] != b"A" else b"B") + good[i + 1 :] for i in range(len(good))]
    return [
        *flipped,
        good[:-1],
        good + b"0",
        good + b" ",
        b" " + good,
        good + b"\n",
        good.upper(),
        good * 2,
        b"x",
        b"\0",
        b"\xff" * 60,
        b"'; DROP TABLE keys; --",
        b"gwk_live_" + b"0" * 65536,
        "gwk_live_ключключключ_".encode(),
    ]


async def test_malformed_keys_are_refused_without_the_store() -> None:
    world = World()
    await world.poll()
    polls = world.store.polls
    for presented in malformed():
        assert told(world.begin(request(key=presented))) == "invalid_credential"
        assert isinstance(await world.verifier.verify(presented), Invalid)
    assert (world.store.reads, world.store.polls) == ([], polls)


async def test_malformed_keys_are_refused_without_the_store_whatever_is_remembered_of_their_id() -> None:
    world = World()
    key = world.add_key()
    cut, longer = key.text[:-1].encode(), (key.text + "x").encode()
    for seconds in (0.0, 31.0):
        await world.warm(key)
        world.clock.advance(seconds)
        reads = len(world.store.reads)
        for presented in (cut, longer):
            assert told(world.begin(request(key=presented))) == "invalid_credential"
        assert len(world.store.reads) == reads


async def test_malformed_keys_are_refused_while_the_store_is_down() -> None:
    world = World()
    world.store.go_down()
    assert told(world.begin(request(key="rubbish"))) == "invalid_credential"


# -- right and wrong -----------------------------------------------------------------------------------------------


async def test_a_wrong_secret_for_a_known_key_is_refused_from_memory() -> None:
    world = World()
    key = world.add_key()
    wrong = wrong_secret(key)
    assert told(await world.decide(request(key=wrong))) == "invalid_credential"
    for _ in range(50):
        assert told(world.begin(request(key=wrong))) == "invalid_credential"
        assert told(world.begin(request(key=key.text))) == "allow"
    assert world.store.reads == [key.id]


async def test_a_wrong_secret_does_not_replace_what_was_proven() -> None:
    world = World()
    key = world.add_key()
    await world.warm(key)
    assert isinstance(await world.verifier.verify(wrong_secret(key).encode()), Invalid)
    assert told(world.begin(request(key=key.text))) == "allow"
    assert told(world.begin(request(key=wrong_secret(key)))) == "invalid_credential"


async def test_a_key_whose_secret_was_replaced_stops_and_the_new_one_works() -> None:
    world = World()
    key = world.add_key()
    renewed = wrong_secret(key)
    await world.warm(key)
    world.store.edit_key(key.id, digest=world.peppers.digest(renewed.encode()))
    await world.poll()
    assert told(await world.decide(request(key=key.text))) == "invalid_credential"
    assert told(await world.decide(request(key=renewed))) == "allow"


async def test_keys_digested_under_a_previous_pepper_verify_until_it_is_dropped() -> None:
    old, new = b"old pepper, 32 bytes and some more", b"new pepper, 32 bytes and some more"
    before = a_key(peppers=PepperRing(old))
    for ring, expected in ((PepperRing(new, [old]), "allow"), (PepperRing(new), "invalid_credential")):
        world = World(peppers=ring)
        world.store.put_key(before.record)
        assert told(await world.decide(request(key=before.text))) == expected


async def test_a_key_that_cannot_be_read_is_unusable_and_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    key = world.add_key(allow_networks=("10.0.0.5/8",))
    assert told(await world.decide(request(key=key.text))) == "invalid_credential"
    for _ in range(20):
        assert told(world.begin(request(key=key.text))) == "invalid_credential"
    assert len(caplog.records) == 1
    assert key.id in caplog.text
    assert key.text not in caplog.text


# -- unknown -------------------------------------------------------------------------------------------------------


async def test_an_unknown_key_is_asked_for_once_in_a_while() -> None:
    world = World()
    key = unknown_key()
    assert told(await world.decide(request(key=key))) == "invalid_credential"
    for _ in range(50):
        assert told(world.begin(request(key=key))) == "invalid_credential"
    assert len(world.store.reads) == 1
    world.clock.advance(UNKNOWN_SECONDS)
    await world.poll()
    assert told(await world.decide(request(key=key))) == "invalid_credential"
    assert len(world.store.reads) == 2


async def test_a_key_that_was_asked_for_before_it_was_made_works_with_the_next_reading_of_the_log() -> None:
    world = World()
    minted = a_key()
    assert told(await world.decide(request(key=minted.text))) == "invalid_credential"
    world.store.put_key(minted.record)
    await world.poll()
    assert told(await world.decide(request(key=minted.text))) == "allow"


async def test_guesses_are_bounded_and_push_no_good_key_out() -> None:
    world = World(max_keys=100, max_unknown=50)
    good = [world.add_key() for _ in range(20)]
    await world.warm(*good)
    reads = len(world.store.reads)
    for _ in range(1000):
        await world.decide(request(key=unknown_key()))
    assert len(world.store.reads) == reads + 1000
    assert all(told(world.begin(request(key=key.text))) == "allow" for key in good)
    assert len(world.cache) <= 150


async def test_what_is_known_is_bounded() -> None:
    world = World(max_keys=10)
    for _ in range(100):
        await world.decide(request(key=world.add_key().text))
    assert len(world.cache) <= 10


async def test_an_unknown_key_is_not_refused_from_memory_that_is_too_old() -> None:
    world = World()
    key = unknown_key()
    await world.decide(request(key=key))
    world.clock.advance(2.0)
    reads = len(world.store.reads)
    await world.decide(request(key=key))
    assert len(world.store.reads) == reads + 1


# -- single flight -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_good", [True, False], ids=["good", "unknown"])
async def test_a_hundred_cold_requests_for_one_key_read_the_store_once(is_good: bool) -> None:
    world = World()
    text = world.add_key().text if is_good else unknown_key()
    await world.poll()
    world.store.hold()
    requests = [asyncio.create_task(world.decide(request(key=text))) for _ in range(100)]
    await ticks()
    world.store.release()
    answers = {told(decision) for decision in await asyncio.gather(*requests)}
    assert answers == {"allow" if is_good else "invalid_credential"}
    assert len(world.store.reads) == 1


async def test_right_and_wrong_secrets_of_one_flight_get_their_own_answers() -> None:
    world = World()
    key = world.add_key()
    await world.poll()
    world.store.hold()
    texts = [key.text, wrong_secret(key)] * 20
    requests = [asyncio.create_task(world.decide(request(key=text))) for text in texts]
    await ticks()
    world.store.release()
    assert [told(d) for d in await asyncio.gather(*requests)] == ["allow", "invalid_credential"] * 20
    assert world.store.reads == [key.id]


async def test_a_caller_who_leaves_takes_the_flight_from_nobody() -> None:
    world = World()
    key = world.add_key()
    await world.poll()
    world.store.hold()
    first, second = (asyncio.create_task(world.decide(request(key=key.text))) for _ in range(2))
    await ticks()
    first.cancel()
    await ticks()
    world.store.release()
    assert told(await second) == "allow"
    assert first.cancelled()
    assert world.store.reads == [key.id]


async def test_only_so_many_readings_run_at_once() -> None:
    world = World()
    keys = [world.add_key() for _ in range(MAX_READS * 2)]
    await world.warm(*keys)
    world.clock.advance(LIFE)
    await world.poll()
    world.store.hold()
    requests = [asyncio.create_task(world.decide(request(key=key.text))) for key in keys]
    await ticks()
    assert len(world.store.waiting) == MAX_READS
    world.store.release()
    assert {told(decision) for decision in await asyncio.gather(*requests)} == {"allow"}


@pytest.mark.parametrize("has_changed", [False, True])
async def test_guesses_leave_places_to_keys(has_changed: bool) -> None:
    world = World()
    key = world.add_key()
    await world.warm(key)
    world.store.hold()
    guesses = [asyncio.create_task(world.decide(request(key=unknown_key()))) for _ in range(MAX_READS * 2)]
    await ticks()
    assert len(world.store.waiting) == MAX_OF_STRANGERS
    if has_changed:
        world.store.edit_key(key.id, scopes=("orders:write",))
    else:
        world.clock.advance(LIFE)
    await world.poll()
    good = asyncio.create_task(world.decide(request(key=key.text)))
    await ticks()
    assert world.store.reads[-1] == key.id
    world.store.let_one_go(-1)
    assert told(await good) == "allow"
    world.store.release()
    await asyncio.gather(*guesses)


async def test_who_leaves_gives_the_place_to_the_next_guess() -> None:
    world = World()
    await world.poll()
    world.store.hold()
    guesses = [asyncio.create_task(world.decide(request(key=unknown_key()))) for _ in range(MAX_OF_STRANGERS + 1)]
    await ticks()
    world.store.let_one_go()
    await ticks()
    assert len(world.store.reads) == MAX_OF_STRANGERS + 1
    world.store.release()
    assert {told(decision) for decision in await asyncio.gather(*guesses)} == {"invalid_credential"}


async def test_a_store_that_does_not_answer_in_time_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_reads, "READ_TIMEOUT_SECONDS", 0.01)
    world = World()
    key = world.add_key()
    await world.poll()
    world.store.hold()
    assert told(await world.decide(request(key=key.text))) == "dependency_unavailable"
    world.store.release()
    assert told(await world.decide(request(key=key.text))) == "allow"


# -- age -----------------------------------------------------------------------------------------------------------


async def test_a_key_is_read_again_when_its_entry_is_too_old() -> None:
    world = World(cache_seconds=30.0)
    key = world.add_key()
    await world.warm(key)
    world.clock.advance(29.9)
    await world.poll()
    assert told(world.begin(request(key=key.text))) == "allow"
    world.clock.advance(0.1)
    await world.poll()
    assert told(await world.decide(request(key=key.text))) == "allow"
    assert len(world.store.reads) == 2


async def test_without_caching_every_request_reads() -> None:
    world = World(cache_seconds=0.0)
    key = world.add_key()
    for _ in range(3):
        assert told(await world.decide(request(key=key.text))) == "allow"
    assert len(world.store.reads) == 3


# -- what is told of it --------------------------------------------------------------------------------------------


async def test_keys_in_memory_and_keys_that_had_to_be_read_are_counted() -> None:
    world = World()
    key = world.add_key()
    await world.warm(key)
    assert (world.verifier.hits, world.verifier.misses, world.verifier.remembered) == (0, 1, 1)
    for _ in range(3):
        assert told(world.begin(request(key=key.text))) == "allow"
    assert told(await world.decide(request(key=unknown_key()))) == "invalid_credential"
    assert (world.verifier.hits, world.verifier.misses, world.verifier.remembered) == (3, 2, 2)
    for presented in malformed():
        world.begin(request(key=presented))
    assert world.verifier.misses == 2
