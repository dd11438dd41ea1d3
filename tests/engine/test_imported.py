"""Keys from elsewhere: remembered by their text, slow hashes one at a time and bounded, upgraded beside the request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from gateway_auth.adapters.foreign_hashes import BCRYPT_MAX_BYTES, verify_slow_hash
from gateway_auth.core.imported import FastHash, ImportedKey, SlowHash, Upgrade, start_message, text_message
from gateway_auth.core.keyhash import fingerprinter
from gateway_auth.core.rates import parse_rate
from gateway_auth.engine import imported
from gateway_auth.engine.api_key import Invalid
from gateway_auth.engine.imported import MAX_SLOW_WAITING, ImportedKeys
from gateway_auth.engine.principal_cache import UNKNOWN_SECONDS
from gateway_auth.errors import StoreUnavailable
from tests.fakes import PEPPERS, World, a_key, request, ticks, told
from tests.imported.foreign import argon2id, bcrypt_hash, provide_bcrypt

FAST, SLOW = "sk_fast_0123456789abcdef", "sk_slow_0123456789abcdef"


class Found:
    """engine.imported.ImportedStore."""

    def __init__(self) -> None:
        self.entries: list[ImportedKey] = []
        self.asked = 0
        self.upgrades: list[Upgrade] = []
        self.failure: Exception | None = None
        self.upgrade_failure: Exception | None = None
        self.is_hanging = False

    async def find_imported(self, lookups: Sequence[bytes]) -> Sequence[ImportedKey]:
        self.asked += 1
        if self.is_hanging:
            await asyncio.sleep(3600)
        if self.failure is not None:
            raise self.failure
        return [entry for entry in self.entries if entry.lookup in lookups]

    async def upgrade_imported(self, upgrade: Upgrade) -> None:
        if self.upgrade_failure is not None:
            raise self.upgrade_failure
        self.upgrades.append(upgrade)


class Hashing:
    """Compares slow hashes when it is let, and sees how many do so at once. A hash here is the text itself."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.compared = 0
        self.at_once = 0
        self.most_at_once = 0

    def __call__(self, _kind: SlowHash, stored: str, presented: bytes) -> bool:
        self.compared += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.gate.wait(30)
        self.at_once -= 1
        return stored.encode() == presented


class Foreign:
    """A worker that accepts imported keys, one proven by its text and one by a slow hash."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.found = Found()
        self.hashing = Hashing()
        self.imported = ImportedKeys(
            world.verifier, PEPPERS, self.found, self.hashing, fingerprinter(b"process"), world.clock
        )
        world.verifier.imported = self.imported
        self.fast_id = self.add(text_message(FAST.encode()), "sha256")
        self.slow_id = self.add(start_message(SLOW[:8].encode()), "bcrypt", SLOW)

    def add(self, message: bytes, kind: FastHash | SlowHash | None, kept: str = "") -> str:
        minted = a_key(digest=b"")
        self.world.store.put_key(minted.record)
        entry = ImportedKey(
            key_id=minted.id,
            lookup=PEPPERS.digest(message),
            pepper_id=PEPPERS.current_id,
            hash_kind=kind,
            hash=kept,
        )
        self.found.entries.append(entry)
        return minted.id

    async def verify(self, text: str) -> str:
        """The key id, or "invalid"."""
        key = await self.world.verifier.verify(text.encode())
        return "invalid" if isinstance(key, Invalid) else key.record.id


@pytest.fixture
async def foreign() -> AsyncIterator[Foreign]:
    world = World(brake_rate=parse_rate("3/minute"))
    await world.poll()
    foreign = Foreign(world)
    yield foreign
    foreign.hashing.gate.set()
    await foreign.imported.close()


async def test_a_key_is_asked_for_once_and_then_remembered(foreign: Foreign) -> None:
    assert await foreign.verify(FAST) == foreign.fast_id
    for _ in range(3):
        assert told(foreign.world.begin(request(key=FAST))) == "allow"
    assert foreign.found.asked == 1


async def test_a_slow_hash_is_compared_once(foreign: Foreign) -> None:
    for _ in range(3):
        assert await foreign.verify(SLOW) == foreign.slow_id
    assert foreign.hashing.compared == 1


async def test_keys_of_ours_never_come_here(foreign: Foreign) -> None:
    ours = foreign.world.add_key()
    await foreign.world.warm(ours)
    assert told(foreign.world.begin(request(key=ours.text))) == "allow"
    assert await foreign.verify(a_key().text) == "invalid"
    assert foreign.found.asked == 0


@pytest.mark.parametrize("text", ["short", "x" * 257, "with space and so on and so on", "nul\0nul\0nul\0nul\0nul\0"])
async def test_what_can_be_no_key_is_refused_without_the_store(foreign: Foreign, text: str) -> None:
    assert told(foreign.world.begin(request(key=text))) == "invalid_credential"
    assert await foreign.verify(text) == "invalid"
    assert foreign.found.asked == 0


async def test_an_unknown_text_is_remembered_for_a_moment(foreign: Foreign) -> None:
    unknown = "sk_nobody_0123456789abcdef"
    assert await foreign.verify(unknown) == "invalid"
    assert told(foreign.world.begin(request(key=unknown))) == "invalid_credential"
    assert await foreign.verify(unknown) == "invalid"
    assert foreign.found.asked == 1
    foreign.world.clock.advance(UNKNOWN_SECONDS + 1)
    assert await foreign.verify(unknown) == "invalid"
    assert foreign.found.asked == 2


async def test_a_right_start_with_a_wrong_rest_costs_a_slow_hash_and_proves_nothing(foreign: Foreign) -> None:
    assert await foreign.verify(f"{SLOW}x") == "invalid"
    assert (foreign.hashing.compared, foreign.found.upgrades) == (1, [])
    assert await foreign.verify("sk_slOw_0123456789abcdef") == "invalid"
    assert foreign.hashing.compared == 1


async def test_a_record_found_by_a_start_is_not_proven_by_that(foreign: Foreign) -> None:
    foreign.add(start_message(b"sk_odd_"), None)
    assert await foreign.verify("sk_odd_0123456789abcdef") == "invalid"


async def test_slow_hashes_are_compared_one_at_a_time_off_the_loop_and_few_wait(foreign: Foreign) -> None:
    foreign.hashing.gate.clear()
    guesses = [asyncio.create_task(foreign.verify(f"{SLOW}{number}")) for number in range(MAX_SLOW_WAITING)]
    while foreign.hashing.compared == 0:  # noqa: ASYNC110 - a thread tells nobody
        await asyncio.sleep(0.001)
    with pytest.raises(StoreUnavailable, match="too many"):
        await foreign.verify(SLOW)
    decision = await foreign.world.decide(request(key=SLOW, client="192.0.2.9"))
    assert told(decision) == "dependency_unavailable"
    # Meanwhile whoever needs no slow hash is served.
    assert await foreign.verify(FAST) == foreign.fast_id
    foreign.hashing.gate.set()
    assert set(await asyncio.gather(*guesses)) == {"invalid"}
    assert foreign.hashing.most_at_once == 1
    assert await foreign.verify(SLOW) == foreign.slow_id


async def test_nobody_waits_long_for_a_slow_hash_and_who_comes_again_finds_it_compared(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imported, "MAX_WAIT_SECONDS", 0.01)
    foreign.hashing.gate.clear()
    with pytest.raises(StoreUnavailable, match="still being compared"):
        await foreign.verify(SLOW)
    monkeypatch.undo()
    foreign.hashing.gate.set()
    assert await foreign.verify(SLOW) == foreign.slow_id
    assert foreign.hashing.compared == 1


async def test_one_text_is_compared_once_for_however_many_ask_and_whoever_leaves(foreign: Foreign) -> None:
    foreign.hashing.gate.clear()
    callers = [asyncio.create_task(foreign.verify(SLOW)) for _ in range(10)]
    await ticks()
    for caller in callers[:5]:
        caller.cancel()
    await ticks()
    foreign.hashing.gate.set()
    assert await asyncio.gather(*callers[5:]) == [foreign.slow_id] * 5
    assert foreign.hashing.compared == 1


async def test_a_proven_key_is_upgraded_to_digests_of_its_text(foreign: Foreign) -> None:
    await foreign.verify(SLOW)
    await ticks()
    (upgrade,) = foreign.found.upgrades
    text = SLOW.encode()
    assert (upgrade.before.key_id, upgrade.pepper_id) == (foreign.slow_id, PEPPERS.current_id)
    assert (upgrade.lookup, upgrade.digest) == (PEPPERS.digest(text_message(text)), PEPPERS.digest(text))


async def test_one_that_is_upgraded_is_not_upgraded_again(foreign: Foreign) -> None:
    text = "sk_done_0123456789abcdef"
    key_id = foreign.add(text_message(text.encode()), None)
    assert await foreign.verify(text) == key_id
    await ticks()
    assert foreign.found.upgrades == []


async def test_an_upgrade_that_fails_harms_no_request_and_is_tried_at_the_next_use(foreign: Foreign) -> None:
    foreign.found.upgrade_failure = StoreUnavailable("read only")
    assert await foreign.verify(FAST) == foreign.fast_id
    await ticks()
    foreign.found.upgrade_failure = None
    assert await foreign.verify(FAST) == foreign.fast_id
    await ticks()
    assert len(foreign.found.upgrades) == 1


async def test_a_disabled_key_is_refused_with_its_reason_and_a_deleted_one_is_none(foreign: Foreign) -> None:
    world = foreign.world
    await foreign.verify(FAST)
    world.store.edit_key(foreign.fast_id, status="disabled")
    await world.poll()
    assert told(await world.decide(request(key=FAST))) == "credential_disabled"
    world.store.delete_key(foreign.fast_id)
    await world.poll()
    assert told(await world.decide(request(key=FAST))) == "invalid_credential"
    reads = len(world.store.reads)
    assert told(world.begin(request(key=FAST))) == "invalid_credential"
    assert len(world.store.reads) == reads


async def test_while_the_store_is_down_what_is_known_serves_and_the_rest_is_503(foreign: Foreign) -> None:
    world = foreign.world
    await foreign.verify(FAST)
    world.store.go_down()
    foreign.found.failure = StoreUnavailable("down")
    world.clock.advance(10)
    await world.poll()
    assert told(await world.decide(request(key=FAST))) == "allow"
    assert told(await world.decide(request(key=SLOW))) == "dependency_unavailable"
    world.clock.advance(world.max_stale_seconds)
    await world.poll()
    assert told(await world.decide(request(key=FAST))) == "dependency_unavailable"


async def test_a_store_that_does_not_answer_is_an_outage(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported, "READ_TIMEOUT_SECONDS", 0.01)
    foreign.found.is_hanging = True
    with pytest.raises(StoreUnavailable, match="in time"):
        await foreign.verify(FAST)


async def test_guesses_are_braked_by_address(foreign: Foreign) -> None:
    answers = [told(await foreign.world.decide(request(key=f"sk_guess_0123456789{number}"))) for number in range(6)]
    assert answers == ["invalid_credential"] * 3 + ["too_many_failures"] * 3
    asked = foreign.found.asked
    assert told(foreign.world.begin(request(key=SLOW))) == "too_many_failures"
    assert (foreign.found.asked, foreign.hashing.compared) == (asked, 0)


async def test_a_bearer_that_is_none_of_ours_is_asked_about_where_nobody_issues_tokens(foreign: Foreign) -> None:
    world = foreign.world
    for text in (FAST, SLOW):
        assert told(await world.decide(request(authorization=f"Bearer {text}"))) == "allow"
    assert told(await world.decide(request(authorization="Bearer a.b.c0123456789abcdef"))) == "invalid_credential"
    world.verifier.imported = None
    assert told(world.begin(request(authorization=f"Bearer {FAST}"))) == "invalid_credential"


async def test_closing_ends_what_is_under_way(foreign: Foreign) -> None:
    foreign.found.is_hanging = True
    caller = asyncio.create_task(foreign.verify(FAST))
    await ticks()
    await foreign.imported.close()
    with pytest.raises(asyncio.CancelledError):
        await caller


# -- the hashes themselves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bcrypt", "argon2id"])
def test_a_slow_hash_proves_its_text_and_no_other(kind: SlowHash, monkeypatch: pytest.MonkeyPatch) -> None:
    provide_bcrypt(monkeypatch)
    kept = bcrypt_hash(SLOW) if kind == "bcrypt" else argon2id(SLOW)
    assert verify_slow_hash(kind, kept, SLOW.encode())
    assert not verify_slow_hash(kind, kept, f"{SLOW}x".encode())
    assert not verify_slow_hash(kind, "no hash", SLOW.encode())
    assert not verify_slow_hash(kind, "ключ", SLOW.encode())


def test_bcrypt_proves_no_text_of_which_it_would_look_at_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    provide_bcrypt(monkeypatch)
    longest = "x" * BCRYPT_MAX_BYTES
    kept = bcrypt_hash(longest)
    assert verify_slow_hash("bcrypt", kept, longest.encode())
    assert not verify_slow_hash("bcrypt", kept, f"{longest}y".encode())


def test_without_its_library_a_hash_is_an_outage_and_no_wrong_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bcrypt", None)
    with pytest.raises(StoreUnavailable, match="bcrypt"):
        verify_slow_hash("bcrypt", "$2b$…", SLOW.encode())
