"""An issuer's keys: how old they get, who waits for them, and what storms, rotations and outages cost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from msgspec import Struct

from gateway_auth.engine import keysets
from gateway_auth.engine.keysets import (
    COOL_DOWN_SECONDS,
    FRESH_SECONDS,
    LAST_RETRY_SECONDS,
    MAX_AGE_SECONDS,
    NO_SUCH_KEY,
    IssuerKeys,
    KeyName,
    NoSuchKey,
)
from gateway_auth.errors import IssuerUnavailable
from gateway_auth.ports import VerificationKey
from tests.fakes import FakeClock, ticks


class Key(Struct, frozen=True):
    """ports.VerificationKey; `material` makes two keys of one name differ."""

    key_id: str | None
    algorithm: str = "RS256"
    material: int = 0

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        return False


class Middling:
    """ports.Random that never surprises."""

    def below(self, limit: int) -> int:
        return limit // 2


class FakeSource:
    """ports.KeySetSource. Answers are of the moment they were asked for; while held they wait to be let go."""

    def __init__(self, *keys: VerificationKey) -> None:
        self.keys: Sequence[VerificationKey] = keys
        self.fetches = 0
        self.failure: Exception | None = None
        self.waiting: list[asyncio.Future[None]] = []
        self.is_held = False

    def publish(self, *keys: VerificationKey) -> None:
        self.keys = keys

    def go_down(self, text: str = "issuer corp: its key set: answered 500") -> None:
        self.failure = IssuerUnavailable(text)

    def come_back(self) -> None:
        self.failure = None

    def release(self) -> None:
        """Let the waiting answers go, and hold no more."""
        self.is_held = False
        while self.waiting:
            answer = self.waiting.pop()
            if not answer.done():
                answer.set_result(None)

    async def fetch(self) -> Sequence[VerificationKey]:
        self.fetches += 1
        keys, failure = self.keys, self.failure
        if self.is_held:
            self.waiting.append(asyncio.get_running_loop().create_future())
            await self.waiting[-1]
        if failure is not None:
            raise failure
        return keys


class World:
    """The keys of one issuer with their source and clock, and what was told to be gone."""

    def __init__(self, *keys: VerificationKey, max_age_seconds: float = MAX_AGE_SECONDS) -> None:
        self.clock, self.source = FakeClock(), FakeSource(*keys)
        self.gone: list[frozenset[KeyName]] = []
        self.keys = IssuerKeys(
            "corp", self.source, self.clock, Middling(), on_change=self.gone.append, max_age_seconds=max_age_seconds
        )

    def recall(self, key_id: str | None, algorithm: str = "RS256") -> VerificationKey | NoSuchKey | None:
        return self.keys.recall(algorithm, key_id)

    async def find(self, key_id: str | None, algorithm: str = "RS256") -> VerificationKey | NoSuchKey:
        return await self.keys.find(algorithm, key_id)

    def asking(self, *key_ids: str) -> list[asyncio.Task[VerificationKey | NoSuchKey]]:
        return [asyncio.create_task(self.find(key_id)) for key_id in key_ids]


A, B, C = Key("a"), Key("b"), Key("c")


async def warm(*keys: VerificationKey, max_age_seconds: float = MAX_AGE_SECONDS) -> World:
    """A world whose keys were fetched."""
    world = World(*keys, max_age_seconds=max_age_seconds)
    await world.find(keys[0].key_id, keys[0].algorithm)
    return world


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (what is waited for is the product's, and tells nobody)
            await asyncio.sleep(0)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task looks every millisecond."""
    monkeypatch.setattr(keysets, "TICK_SECONDS", 0.001)


# -- which key is meant --------------------------------------------------------------------------------------------

NAMED = (A, B, Key("e", "ES256"))
MEANT: list[tuple[str, tuple[Key, ...], str | None, str, Key | None]] = [
    ("by kid", NAMED, "b", "RS256", B),
    ("kid of a key of another algorithm", NAMED, "e", "RS256", None),
    ("no kid, one key of the algorithm", NAMED, None, "ES256", NAMED[2]),
    ("no kid, several keys of the algorithm", NAMED, None, "RS256", None),
    ("no kid, no key of the algorithm", NAMED, None, "PS256", None),
    ("a kid nobody has", NAMED, "z", "RS256", None),
    ("an empty kid", NAMED, "", "RS256", None),
    ("any kid, where the only key has no name", (Key(None, "HS256"),), "z", "HS256", Key(None, "HS256")),
    ("any kid, where two keys have no name", (Key(None), Key(None, material=1)), "z", "RS256", None),
    ("no kid, where two keys have no name", (Key(None), Key(None, material=1)), None, "RS256", None),
    ("any kid, beside a key without name", (Key(None), A), "z", "RS256", None),
    ("a kid two keys of one algorithm have", (A, Key("a", material=1)), "a", "RS256", None),
    ("a kid two keys of two algorithms have", (A, Key("a", "ES256")), "a", "ES256", Key("a", "ES256")),
    ("a key beside two of one name", (A, Key("a", material=1), B), "b", "RS256", B),
    ("no keys at all", (), "a", "RS256", None),
]


@pytest.mark.parametrize(
    ("keys", "key_id", "algorithm", "expected"), [row[1:] for row in MEANT], ids=[row[0] for row in MEANT]
)
async def test_which_key_a_token_means(
    keys: tuple[Key, ...], key_id: str | None, algorithm: str, expected: Key | None
) -> None:
    world = World(*keys)
    assert await world.find(key_id, algorithm) == (expected or NO_SUCH_KEY)
    assert world.recall(key_id, algorithm) == (expected or NO_SUCH_KEY)


@pytest.mark.parametrize(("key_id", "algorithm"), [("a", "ES256"), (None, "RS256")], ids=["algorithm", "several"])
async def test_what_no_newer_set_would_tell_is_refused_without_asking(key_id: str | None, algorithm: str) -> None:
    world = await warm(A, B)
    assert world.recall(key_id, algorithm) is NO_SUCH_KEY
    assert world.source.fetches == 1


async def test_two_issuers_with_one_kid_have_each_their_own_key() -> None:
    ours, theirs = World(Key("a", material=1)), World(Key("a", material=2))
    assert await ours.find("a") == Key("a", material=1)
    assert await theirs.find("a") == Key("a", material=2)


# -- how old -------------------------------------------------------------------------------------------------------


async def test_before_the_first_fetch_nothing_is_known() -> None:
    world = World(A)
    assert world.recall("a") is None
    assert await world.find("a") == A
    assert world.recall("a") == A
    assert world.source.fetches == 1


async def test_a_set_is_fresh_from_before_its_fetch() -> None:
    """What the issuer changes while it answers may not be in the answer."""
    world = World(A)
    world.source.is_held = True
    [asking] = world.asking("a")
    await ticks()
    world.clock.advance(3)
    world.source.release()
    await asking
    assert world.keys.usable_until - world.clock.monotonic() == FRESH_SECONDS - 3


async def test_a_key_its_issuer_removed_is_refused_once_the_set_is_no_longer_fresh() -> None:
    world = await warm(A, B)
    world.source.publish(B)
    world.clock.advance(FRESH_SECONDS - 0.1)
    assert world.recall("a") == A
    world.clock.advance(0.1)
    assert world.recall("a") is None
    assert await world.find("a") is NO_SUCH_KEY
    assert await world.find("b") == B


async def test_a_set_in_use_is_fetched_ahead_without_anybody_waiting() -> None:
    world = await warm(A)
    world.clock.advance(FRESH_SECONDS * 0.7)
    assert world.recall("a") == A
    await ticks()
    assert world.source.fetches == 1
    world.clock.advance(FRESH_SECONDS * 0.1)
    assert world.recall("a") == A
    await ticks()
    assert world.source.fetches == 2
    assert world.keys.usable_until == world.clock.monotonic() + FRESH_SECONDS


async def test_an_old_set_nobody_used_is_fetched_by_the_next_use() -> None:
    world = await warm(A)
    world.source.publish(A, B)
    world.clock.advance(10 * MAX_AGE_SECONDS)
    assert world.recall("b") is None
    assert await world.find("b") == B
    assert world.source.fetches == 2


async def test_an_empty_set_is_a_set() -> None:
    """Who publishes no keys has taken all of them back."""
    world = await warm(A)
    world.source.publish()
    world.clock.advance(FRESH_SECONDS)
    assert await world.find("a") is NO_SUCH_KEY
    assert world.gone == [{("a", "RS256")}]


# -- an issuer that is down ----------------------------------------------------------------------------------------


async def test_the_last_good_set_serves_to_its_maximum_age_and_not_a_second_longer() -> None:
    world = await warm(A, max_age_seconds=600)
    world.source.go_down()
    for _ in range(599):
        world.clock.advance(1)
        assert await world.find("a") == A
    world.clock.advance(1)
    assert world.recall("a") is None
    with pytest.raises(IssuerUnavailable, match="answered 500"):
        await world.find("a")
    assert world.keys.usable_until == world.clock.monotonic()


async def test_what_is_proven_in_an_outage_is_remembered_no_longer_than_otherwise() -> None:
    """Or it would outlive the recovery unseen: only what comes back here makes the keys be fetched."""
    world = await warm(A)
    world.source.go_down()
    world.clock.advance(FRESH_SECONDS)
    await world.find("a")
    assert world.keys.usable_until == world.clock.monotonic() + FRESH_SECONDS
    world.clock.advance(FRESH_SECONDS / 2)
    assert world.recall("a") == A
    await ticks()
    assert world.keys.usable_until == world.clock.monotonic() + FRESH_SECONDS


async def test_a_maximum_age_shorter_than_fresh_is_kept_too() -> None:
    world = await warm(A, max_age_seconds=10)
    assert world.keys.usable_until == world.clock.monotonic() + 10
    world.source.go_down()
    world.clock.advance(10)
    with pytest.raises(IssuerUnavailable):
        await world.find("a")


async def test_while_an_older_set_serves_nobody_waits_for_the_issuer() -> None:
    world = await warm(A)
    world.source.go_down()
    world.clock.advance(FRESH_SECONDS)
    await world.find("a")
    world.source.is_held = True
    for _ in range(100):
        world.clock.advance(1)
        assert world.recall("a") == A
        await ticks(2)
    assert world.source.waiting
    world.source.release()
    await ticks()


async def test_an_issuer_that_is_down_is_asked_at_growing_intervals() -> None:
    world = await warm(A)
    world.source.go_down()
    world.clock.advance(FRESH_SECONDS)
    asked_at = []
    for second in range(300):
        before = world.source.fetches
        await world.find("a")
        await ticks(3)
        if world.source.fetches > before:
            asked_at.append(second)
        world.clock.advance(1)
    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses[:5] == [1, 2, 3, 6, 12]
    assert set(pauses[5:]) == {23}, "three quarters of 30"
    assert max(pauses) <= LAST_RETRY_SECONDS


async def test_without_any_set_requests_fail_at_once_until_the_next_try_is_due() -> None:
    world = World(A)
    world.source.go_down()
    for _ in range(50):
        with pytest.raises(IssuerUnavailable):
            await world.find("a")
    assert world.source.fetches == 1
    world.source.come_back()
    world.clock.advance(1)
    assert await world.find("a") == A
    assert world.source.fetches == 2


async def test_an_issuer_that_recovers_serves_its_new_keys_and_takes_back_its_old(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = await warm(A)
    world.source.go_down()
    world.clock.advance(FRESH_SECONDS)
    assert await world.find("a") == A
    world.source.come_back()
    world.source.publish(B)
    world.clock.advance(LAST_RETRY_SECONDS)
    assert world.recall("a") == A
    await ticks()
    assert world.recall("b") == B
    assert await world.find("a") is NO_SUCH_KEY
    assert world.gone == [{("a", "RS256")}]
    assert "its keys can be had again" in caplog.text


async def test_an_unknown_key_of_an_issuer_that_is_down_is_no_bad_credential() -> None:
    """It may be the new key of a good token."""
    world = await warm(A)
    world.source.go_down()
    with pytest.raises(IssuerUnavailable):
        await world.find("b")
    assert world.recall("b") is None
    with pytest.raises(IssuerUnavailable):
        await world.find("b")
    assert world.source.fetches == 2
    assert world.recall("a") == A
    world.source.come_back()
    world.source.publish(A, B)
    world.clock.advance(1)
    assert await world.find("b") == B


async def test_a_fetch_that_takes_too_long_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysets, "FETCH_TIMEOUT_SECONDS", 0.01)
    world = World(A)
    world.source.is_held = True
    with pytest.raises(IssuerUnavailable, match="did not come within"):
        await world.find("a")


async def test_a_bug_of_a_source_is_an_outage_and_told(caplog: pytest.LogCaptureFixture) -> None:
    world = await warm(A)
    world.source.failure = RuntimeError("a bug")
    world.clock.advance(FRESH_SECONDS)
    assert await world.find("a") == A
    assert world.keys.describe().last_error == "issuer corp: RuntimeError"
    assert "a bug" in caplog.text


async def test_an_outage_is_told_once_per_cause(caplog: pytest.LogCaptureFixture) -> None:
    world = World(A)
    for cause in ("first", "first", "second", "second"):
        world.source.go_down(cause)
        with pytest.raises(IssuerUnavailable, match=cause):
            await world.find("a")
        world.clock.advance(LAST_RETRY_SECONDS)
    assert [record.message.partition(";")[0] for record in caplog.records] == ["first", "second"]


# -- keys nobody knows ---------------------------------------------------------------------------------------------


async def test_a_new_key_works_at_once_for_one_fetch() -> None:
    world = await warm(A)
    world.source.publish(A, B)
    assert world.recall("b") is None
    assert await world.find("b") == B
    assert world.source.fetches == 2


async def test_an_issuer_that_rotates_all_the_time_has_no_good_token_refused() -> None:
    world = await warm(Key("0"))
    for turn in range(1, 200):
        world.source.publish(Key(str(turn)))
        assert await world.find(str(turn)) == Key(str(turn))
        world.clock.advance(3)
    assert world.source.fetches == 200


async def test_many_who_bring_the_new_key_share_one_fetch() -> None:
    world = await warm(A)
    world.source.publish(B)
    world.source.is_held = True
    asking = world.asking(*["b"] * 200)
    await ticks()
    world.source.release()
    assert await asyncio.gather(*asking) == [B] * 200
    assert world.source.fetches == 2


async def test_a_storm_of_made_up_names_costs_one_fetch_per_cool_down() -> None:
    world = await warm(A)
    minutes = 10
    for number in range(60 * minutes):
        for turn in range(10):
            assert await world.find(f"made-up-{number}-{turn}") is NO_SUCH_KEY
        world.clock.advance(1)
    assert world.source.fetches - 1 == minutes * 60 / COOL_DOWN_SECONDS


@pytest.mark.usefixtures("fast")
async def test_a_storm_beside_honest_requests_costs_two_fetches_a_minute() -> None:
    world = World(A)
    await world.keys.start()
    minutes = 10
    for number in range(20 * minutes):
        assert world.recall("a") == A
        assert await world.find(f"made-up-{number}") is NO_SUCH_KEY
        world.clock.advance(3)
        await asyncio.sleep(0.002)
    await world.keys.stop()
    assert world.source.fetches <= 2 * minutes + 1


async def test_a_storm_that_comes_at_once_shares_one_fetch_and_leaves_nothing_behind() -> None:
    world = await warm(A)
    world.source.is_held = True
    asking = world.asking(*(f"made-up-{number}" for number in range(1000)))
    await ticks()
    assert len(world.keys._asked) <= keysets.MAX_ASKED
    world.source.release()
    assert set(await asyncio.gather(*asking)) == {NO_SUCH_KEY}
    assert world.source.fetches == 2
    assert world.recall("yet another") is NO_SUCH_KEY


async def test_a_new_key_is_found_again_when_the_cool_down_is_over() -> None:
    world = await warm(A)
    await world.find("made-up")
    world.source.publish(A, B)
    assert await world.find("b") is NO_SUCH_KEY
    world.clock.advance(COOL_DOWN_SECONDS)
    assert await world.find("b") == B


async def test_a_fetch_that_had_begun_before_the_key_was_published_is_not_the_last_word() -> None:
    """Fetched ahead while the issuer rotates: the answer is from before, the token from after."""
    world = await warm(A)
    world.clock.advance(FRESH_SECONDS * 0.9)
    world.source.is_held = True
    assert world.recall("a") == A
    await ticks()
    world.source.publish(A, B)
    [asking] = world.asking("b")
    await ticks()
    world.source.release()
    assert await asking == B
    assert world.source.fetches == 3


async def test_a_key_published_while_another_was_asked_for_is_asked_for_anew() -> None:
    world = await warm(A)
    world.source.publish(A, B)
    world.source.is_held = True
    [first] = world.asking("b")
    await ticks()
    world.source.publish(A, B, C)
    [second] = world.asking("c")
    await ticks()
    world.source.release()
    assert (await first, await second) == (B, C)
    assert world.source.fetches == 3


async def test_a_made_up_name_beside_a_new_key_is_refused_and_no_outage() -> None:
    world = await warm(A)
    world.source.publish(A, B)
    world.source.is_held = True
    asking = world.asking("b", "made-up", "made-up-too")
    await ticks()
    world.source.release()
    assert await asyncio.gather(*asking) == [B, NO_SUCH_KEY, NO_SUCH_KEY]


async def test_a_fetch_ahead_that_brings_the_key_costs_nothing_of_the_budget() -> None:
    world = await warm(A)
    world.clock.advance(FRESH_SECONDS * 0.9)
    world.source.publish(A, B)
    world.source.is_held = True
    assert world.recall("a") == A
    [asking] = world.asking("b")
    await ticks()
    world.source.release()
    assert await asking == B
    world.source.publish(A, B, C)
    assert await world.find("c") == C


# -- callers who leave, fetches that overlap -----------------------------------------------------------------------


async def test_a_caller_who_leaves_leaves_the_fetch_to_the_others() -> None:
    world = World(A)
    world.source.is_held = True
    leaving, staying = world.asking("a", "a")
    await ticks()
    leaving.cancel()
    await ticks()
    world.source.release()
    assert await staying == A
    assert leaving.cancelled()
    assert world.source.fetches == 1


async def test_a_fetch_all_callers_left_still_counts() -> None:
    world = World(A)
    world.source.is_held = True
    [leaving] = world.asking("a")
    await ticks()
    leaving.cancel()
    await ticks()
    world.source.release()
    await ticks()
    assert world.recall("a") == A


async def test_a_slow_answer_is_never_overtaken_by_a_later_one() -> None:
    """One fetch at a time: an older set cannot come after a newer one and bring a removed key back."""
    world = await warm(A)
    world.source.is_held = True
    world.source.publish(A, B)
    asking = world.asking("b")
    for _ in range(5):
        await ticks()
        world.clock.advance(1)
        world.source.publish(C)
        asking += world.asking("c")
    await ticks()
    assert world.source.fetches == 2
    world.source.release()
    assert (await asyncio.gather(*asking))[1:] == [C] * 5
    assert await world.find("a") is NO_SUCH_KEY
    assert world.keys.describe().keys == (("c", "RS256"),)


async def test_a_failing_fetch_in_which_many_wait_fails_them_all_and_the_next_helps_all() -> None:
    world = World(A)
    world.source.go_down()
    world.source.is_held = True
    asking = world.asking(*["a"] * 20)
    await ticks()
    world.source.come_back()
    world.source.release()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(outcome, IssuerUnavailable) for outcome in outcomes)
    world.clock.advance(1)
    assert await asyncio.gather(*world.asking(*["a"] * 20)) == [A] * 20
    assert world.source.fetches == 2


# -- what is told --------------------------------------------------------------------------------------------------

CHANGES: list[tuple[str, tuple[Key, ...], tuple[Key, ...], set[KeyName]]] = [
    ("nothing", (A, B), (Key("b"), Key("a")), set()),
    ("one more", (A,), (A, B), set()),
    ("one removed", (A, B), (B,), {("a", "RS256")}),
    ("one replaced", (A, B), (Key("a", material=1), B), {("a", "RS256")}),
    ("another algorithm", (A,), (Key("a", "ES256"),), {("a", "RS256")}),
    ("a second of its name", (A,), (A, Key("a", material=1)), {("a", "RS256")}),
    ("a secret replaced", (Key(None, "HS256"),), (Key(None, "HS256", 1),), {(None, "HS256")}),
    ("what was never usable", (B, A, Key("a", material=1)), (B,), set()),
    ("all", (A, B), (), {("a", "RS256"), ("b", "RS256")}),
]


@pytest.mark.parametrize(
    ("before", "after", "gone"), [row[1:] for row in CHANGES], ids=[row[0].replace(" ", "-") for row in CHANGES]
)
async def test_which_keys_are_told_to_be_gone(
    before: tuple[Key, ...], after: tuple[Key, ...], gone: set[KeyName]
) -> None:
    world = await warm(*before)
    world.source.publish(*after)
    world.clock.advance(FRESH_SECONDS)
    await world.find("a")
    assert world.gone == ([gone] if gone else [])


async def test_who_is_told_finds_the_new_keys_in_place() -> None:
    world = await warm(A)
    found: list[object] = []
    world.keys._on_change = lambda _: found.append(world.recall("b"))
    world.source.publish(B)
    world.clock.advance(FRESH_SECONDS)
    await world.find("b")
    assert found == [B]


async def test_nobody_needs_to_be_told() -> None:
    source, clock = FakeSource(A), FakeClock()
    keys = IssuerKeys("corp", source, clock, Middling())
    assert await keys.find("RS256", "a") == A
    source.publish(B)
    clock.advance(FRESH_SECONDS)
    assert await keys.find("RS256", "b") == B


async def test_operators_are_told_how_things_stand() -> None:
    world = World(A, Key("e", "ES256"))
    state = world.keys.describe()
    assert (state.issuer_id, state.keys, state.age_seconds, state.fetches) == ("corp", (), None, 0)
    await world.find("a")
    world.clock.advance(FRESH_SECONDS)
    world.source.go_down("down")
    await world.find("a")
    state = world.keys.describe()
    assert state.keys == (("a", "RS256"), ("e", "ES256"))
    assert (state.age_seconds, state.last_error) == (FRESH_SECONDS, "down")
    assert (state.fetches, state.failed_fetches) == (2, 1)
    world.source.come_back()
    world.clock.advance(1)
    world.recall("a")
    await ticks()
    assert world.keys.describe().last_error is None


# -- start and stop ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fast")
async def test_start_fetches_and_keeps_what_is_used_fresh() -> None:
    world = World(A)
    await world.keys.start()
    assert world.recall("a") == A
    world.source.publish(A, B)
    world.clock.advance(FRESH_SECONDS * 0.8)
    await until(lambda: world.recall("b") == B)
    await world.keys.stop()


@pytest.mark.usefixtures("fast")
async def test_what_nobody_uses_is_not_fetched_again() -> None:
    world = World(A)
    await world.keys.start()
    for _ in range(5):
        world.clock.advance(FRESH_SECONDS)
        await asyncio.sleep(0.005)
    await world.keys.stop()
    assert world.source.fetches == 1


@pytest.mark.usefixtures("fast")
async def test_an_issuer_that_is_down_does_not_prevent_the_start_and_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(A)
    world.source.go_down()
    await world.keys.start()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    with pytest.raises(IssuerUnavailable):
        await world.find("a")
    world.source.come_back()
    world.clock.advance(1)
    await until(lambda: world.recall("a") == A)
    await world.keys.stop()


async def test_stop_leaves_no_task_and_no_caller_behind() -> None:
    world = World(A)
    world.source.is_held = True
    starting = asyncio.create_task(world.keys.start())
    [asking] = world.asking("a")
    await ticks()
    await world.keys.stop()
    with pytest.raises(IssuerUnavailable, match="no keys"):
        await asking
    await starting
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_stop_calls_no_token_bad_whose_new_key_was_being_fetched() -> None:
    world = await warm(A)
    world.source.is_held = True
    [asking] = world.asking("b")
    await ticks()
    await world.keys.stop()
    with pytest.raises(IssuerUnavailable):
        await asking


async def test_what_was_stopped_serves_what_it_has_and_fetches_no_more() -> None:
    world = await warm(A)
    await world.keys.stop()
    world.clock.advance(FRESH_SECONDS - 1)
    assert world.recall("a") == A
    with pytest.raises(IssuerUnavailable):
        await world.find("b")
    world.clock.advance(1)
    with pytest.raises(IssuerUnavailable):
        await world.find("a")
    await ticks()
    assert world.source.fetches == 1
