"""What was taken back: found by name at once, learnt from the change log, gone when the tokens have ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.memo import Generations
from gateway_auth.core.token import Revocation, token_digest
from gateway_auth.engine import revocations
from gateway_auth.engine.changes import PROMISE_SECONDS
from gateway_auth.engine.revocations import RevokedTokens
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Change, ChangeBatch
from tests.engine.revoking import ISSUER, PRESENTED, Remembering, a_revocation, a_token
from tests.fakes import START, FakeClock, FakeStore, World, ticks

EVERYTHING = ChangeBatch(0, is_complete=False)
OTHER = "https://other.example"


class Worker:
    """What one worker knows, over a store of its own."""

    def __init__(self, *revocations: Revocation) -> None:
        self.clock, self.store = FakeClock(), FakeStore()
        for revocation in revocations:
            self.store.revoke(revocation)
        self.remembering = Remembering(a_token())
        self.revoked = RevokedTokens(self.store, self.clock, self.remembering.evict)

    async def follow(self) -> None:
        """Apply the whole log, batch by batch, as one that starts at its beginning would."""
        revision = 0
        while (batch := await self.store.changes_since(revision)).changes:
            await self.revoked.apply(batch)
            revision = batch.revision


# -- who is meant --------------------------------------------------------------------------------------------------

DIGEST = token_digest(PRESENTED).hex()
MEANT: dict[str, dict[str, Any]] = {
    "its id": {"kind": "jti", "value": "jti-1"},
    "its id, of its issuer": {"kind": "jti", "value": "jti-1", "issuer": ISSUER},
    "its subject": {"kind": "subject", "value": "alice"},
    "its subject, of its issuer": {"kind": "subject", "value": "alice", "issuer": ISSUER},
    "its subject, in the moment it was issued": {"kind": "subject", "value": "alice", "revoked_at": START - 10},
    "itself": {"kind": "token", "value": DIGEST},
}
NOT_MEANT: dict[str, dict[str, Any]] = {
    "another id": {"kind": "jti", "value": "jti-2"},
    "its id, of another issuer": {"kind": "jti", "value": "jti-1", "issuer": OTHER},
    "another subject": {"kind": "subject", "value": "bob"},
    "its subject, of another issuer": {"kind": "subject", "value": "alice", "issuer": OTHER},
    "its subject, before it was issued": {"kind": "subject", "value": "alice", "revoked_at": START - 11},
    "an id that is its subject": {"kind": "jti", "value": "alice"},
    "a subject that is its id": {"kind": "subject", "value": "jti-1"},
    "another token": {"kind": "token", "value": token_digest(b"a.c.c").hex()},
    "an id that is its digest": {"kind": "jti", "value": DIGEST},
}


@pytest.mark.parametrize("fields", list(MEANT.values()), ids=list(MEANT))
async def test_a_token_that_is_meant_is_revoked(fields: dict[str, Any]) -> None:
    worker = Worker(a_revocation(**fields))
    await worker.follow()
    assert worker.revoked.is_revoked(a_token())


@pytest.mark.parametrize("fields", list(NOT_MEANT.values()), ids=list(NOT_MEANT))
async def test_a_token_that_is_not_meant_is_not(fields: dict[str, Any]) -> None:
    worker = Worker(a_revocation(**fields))
    await worker.follow()
    assert len(worker.revoked) == 1
    assert not worker.revoked.is_revoked(a_token())


async def test_a_token_without_an_id_is_revoked_by_no_id() -> None:
    worker = Worker(a_revocation(value="None"), a_revocation(value=""))
    await worker.follow()
    assert not worker.revoked.is_revoked(a_token(token_id=None))


async def test_a_token_that_does_not_say_when_it_was_issued_falls_with_its_subject() -> None:
    worker = Worker(a_revocation(kind="subject", value="alice", revoked_at=START - 1000))
    await worker.follow()
    assert worker.revoked.is_revoked(a_token(issued_at=None))


async def test_nothing_is_revoked_before_anything_was_read() -> None:
    assert not Worker(a_revocation()).revoked.is_revoked(a_token())


async def test_the_other_form_of_an_ecdsa_signature_is_as_revoked() -> None:
    worker = Worker(a_revocation(kind="token", value=token_digest(b"eyJhbGciOiJFUzI1NiJ9.e30.r-and-s").hex()))
    await worker.follow()
    assert worker.revoked.is_revoked(a_token(digest=token_digest(b"eyJhbGciOiJFUzI1NiJ9.e30.r-and-n-minus-s")))


@pytest.mark.parametrize("prefix", ["v4.local", "v4.public", "W10.x", "a", "eyJhbGciOiJFUzI1NiJ9", "e30.b.c"])
async def test_an_opaque_token_falls_alone_however_many_points_are_in_it(prefix: str) -> None:
    worker = Worker(a_revocation(kind="token", value=token_digest(f"{prefix}.one".encode()).hex()))
    await worker.follow()
    assert worker.revoked.is_revoked(a_token(digest=token_digest(f"{prefix}.one".encode())))
    assert not worker.revoked.is_revoked(a_token(digest=token_digest(f"{prefix}.other".encode())))


@pytest.mark.parametrize("order", [1, -1], ids=["earlier first", "later first"])
async def test_a_subject_revoked_twice_is_revoked_up_to_the_later_moment(order: int) -> None:
    twice = [a_revocation(kind="subject", value="alice", revoked_at=at) for at in (START - 50, START)][::order]
    worker = Worker(*twice)
    await worker.follow()
    assert len(worker.revoked) == 1
    assert worker.revoked.is_revoked(a_token(issued_at=START))
    assert not worker.revoked.is_revoked(a_token(issued_at=START + 1))


_names = st.sampled_from(["a", "b"])
_issuers = st.sampled_from([None, ISSUER, OTHER])
_moments = st.sampled_from([START - 20, START - 10, START])


@given(
    st.lists(st.builds(a_revocation, kind=st.sampled_from(["jti", "subject"]), value=_names, issuer=_issuers,
                       revoked_at=_moments), max_size=6),
    st.builds(a_token, issuer=st.sampled_from([ISSUER, OTHER]), subject=_names, token_id=st.none() | _names,
              issued_at=st.none() | _moments),
)  # fmt: skip
def test_looking_up_says_what_going_through_all_of_them_would(entries: list[Revocation], token: Any) -> None:
    worker = Worker(*entries)
    asyncio.run(worker.follow())
    assert worker.revoked.is_revoked(token) == any(entry.covers(token) for entry in entries)


# -- learning ------------------------------------------------------------------------------------------------------


async def test_only_what_is_new_is_read_and_only_when_a_token_changed() -> None:
    worker = Worker(a_revocation())
    await worker.follow()
    worker.store.changed("key", "k")
    worker.store.changed("app", "a")
    await worker.revoked.apply(await worker.store.changes_since(1))
    assert worker.store.revocation_reads == [0]
    worker.store.revoke(a_revocation(value="jti-2"))
    await worker.revoked.apply(await worker.store.changes_since(3))
    assert worker.store.revocation_reads == [0, 1]
    assert worker.revoked.is_revoked(a_token(token_id="jti-2"))
    assert worker.revoked.is_revoked(a_token())


async def test_what_a_reading_brought_early_is_not_read_again_when_its_batch_comes() -> None:
    worker = Worker(*(a_revocation(value=str(number)) for number in range(10)))
    worker.store.batch_size = 3
    await worker.follow()
    assert worker.store.revocation_reads == [0]
    assert len(worker.revoked) == 10


async def test_an_incomplete_batch_has_everything_read_anew() -> None:
    worker = Worker(a_revocation(), a_revocation(value="jti-2"))
    await worker.follow()
    worker.store.revocations = [(5, a_revocation(value="jti-3"))]
    worker.store.log = [Change(number, "key", "k") for number in range(1, 6)]
    await worker.revoked.apply(EVERYTHING)
    assert worker.store.revocation_reads == [0, 0]
    assert not worker.revoked.is_revoked(a_token())
    assert worker.revoked.is_revoked(a_token(token_id="jti-3"))
    assert (worker.revoked.revision, len(worker.revoked)) == (5, 1)


@pytest.mark.parametrize("batch", [EVERYTHING, ChangeBatch(2, (Change(2, "token", "x"),))], ids=["all", "new"])
async def test_what_is_known_stays_when_the_store_cannot_be_read(batch: ChangeBatch) -> None:
    worker = Worker(a_revocation())
    await worker.follow()
    worker.store.go_down()
    with pytest.raises(StoreUnavailable):
        await worker.revoked.apply(batch)
    assert worker.revoked.is_revoked(a_token())
    assert worker.revoked.revision == 1


async def test_a_reading_that_is_cancelled_leaves_what_is_known_as_it_was() -> None:
    worker = Worker(a_revocation())
    await worker.follow()
    worker.store.hold(keys=False, revocations=True)
    reading = asyncio.create_task(worker.revoked.load())
    await ticks()
    reading.cancel()
    await asyncio.wait([reading])
    assert worker.revoked.is_revoked(a_token())
    worker.store.release()


# -- those who remember --------------------------------------------------------------------------------------------


async def test_a_remembered_token_is_forgotten_when_it_is_revoked_and_others_are_not() -> None:
    worker = Worker(a_revocation())
    worker.remembering.tokens.append(a_token(token_id="jti-2"))
    await worker.follow()
    assert [token.token_id for token in worker.remembering.tokens] == ["jti-2"]


async def test_nobody_is_asked_to_forget_when_nothing_is_new() -> None:
    worker = Worker()
    await worker.revoked.load()
    worker.store.revoke(a_revocation(expires_at=START))
    await worker.follow()
    assert worker.remembering.asked == 0


# -- the end -------------------------------------------------------------------------------------------------------


async def test_an_entry_is_gone_when_its_tokens_have_ended_and_not_before() -> None:
    worker = Worker(a_revocation(expires_at=START + 10))
    await worker.follow()
    worker.clock.advance(9.9)
    assert worker.revoked.is_revoked(a_token())
    worker.clock.advance(0.1)
    assert not worker.revoked.is_revoked(a_token())
    assert len(worker.revoked) == 0


async def test_what_had_ended_when_it_was_read_is_never_held() -> None:
    worker = Worker(a_revocation(expires_at=START), a_revocation(value="jti-2"))
    await worker.follow()
    assert len(worker.revoked) == 1


@pytest.mark.parametrize("ends", [(10, 20), (20, 10), (20, 20)], ids=str)
async def test_an_entry_recorded_twice_stays_to_its_later_end(ends: tuple[int, int]) -> None:
    worker = Worker(*(a_revocation(expires_at=START + end) for end in ends))
    await worker.follow()
    worker.clock.advance(15)
    assert worker.revoked.is_revoked(a_token())
    worker.clock.advance(5)
    assert not worker.revoked.is_revoked(a_token())
    assert len(worker.revoked) == 0


async def test_many_that_end_at_once_are_dropped_little_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "DROPPED_AT_ONCE", 3)
    worker = Worker(*(a_revocation(value=str(number), expires_at=START + 1) for number in range(10)))
    await worker.follow()
    worker.clock.advance(1)
    held = []
    for _ in range(5):
        worker.revoked.is_revoked(a_token())
        held.append(len(worker.revoked))
    assert held == [7, 4, 1, 0, 0]


async def test_whatever_is_revoked_over_time_only_what_has_not_ended_is_held() -> None:
    worker = Worker()
    for number in range(300):
        worker.store.revoke(a_revocation(value=str(number), expires_at=worker.clock.now() + 10))
        await worker.revoked.apply(await worker.store.changes_since(number))
        worker.clock.advance(1)
        assert len(worker.revoked) <= 11


# -- with the change log -------------------------------------------------------------------------------------------


async def test_a_poll_brings_it_to_this_worker_within_the_promise() -> None:
    world = World()
    await world.poll()
    world.store.revoke(a_revocation())
    world.clock.advance(PROMISE_SECONDS)
    assert world.clock.monotonic() >= world.changes.serve_until, "nothing may be used before the log was read again"
    await world.poll()
    assert world.revoked.is_revoked(a_token())


async def test_a_worker_that_starts_knows_what_was_revoked_before() -> None:
    world = World()
    world.store.revoke(a_revocation())
    await world.changes.start()
    assert world.revoked.is_revoked(a_token())
    await world.changes.stop()


async def test_an_outage_leaves_what_is_known_in_force_and_its_end_brings_the_rest() -> None:
    world = World(max_stale_seconds=5)
    world.store.revoke(a_revocation())
    await world.poll()
    world.store.go_down()
    world.store.revoke(a_revocation(value="jti-2"))
    for _ in range(10):
        world.clock.advance(1)
        await world.poll()
    assert world.changes.is_degraded
    assert world.revoked.is_revoked(a_token())
    assert not world.revoked.is_revoked(a_token(token_id="jti-2"))
    world.store.come_back()
    world.clock.advance(1)
    await world.poll()
    assert world.revoked.is_revoked(a_token(token_id="jti-2"))


@given(st.lists(st.sampled_from(["revoke", "key", "poll", "fail", "lose", "prune"]), max_size=30))
def test_after_every_good_poll_all_that_was_revoked_is_known(steps: list[str]) -> None:
    """Whatever failed in between, and however much of the log is gone."""

    async def play() -> None:
        world = World()
        for number, step in enumerate([*steps, "poll"]):
            world.clock.advance(1)
            if step == "revoke":
                world.store.revoke(a_revocation(value=str(number)))
            elif step == "key":
                world.store.changed("key", "k")
            elif step == "fail":
                world.store.revocation_failure = StoreUnavailable("down")
            elif step == "lose":
                world.store.feed_failure = StoreUnavailable("down")
            elif step == "prune":
                world.store.pruned = world.store.revision
            else:
                await world.poll()
                world.store.come_back()
                if not world.changes.is_degraded:
                    known = [world.revoked.is_revoked(a_token(token_id=entry.value)) for _, entry in
                             world.store.revocations]  # fmt: skip
                    assert all(known)

    asyncio.run(play())


async def test_revoking_under_load_leaves_no_remembered_token_behind() -> None:
    """A token is proven and remembered in one step; a revocation comes between steps. Either way it is refused."""
    world = World()
    cache: Generations[str, Any] = Generations(1000)
    world.revoked = RevokedTokens(world.store, world.clock, cache.discard_where)
    await world.revoked.load()
    used: list[tuple[int, str]] = []

    async def use(number: int) -> None:
        for _ in range(200):
            name = f"jti-{number}"
            token = a_token(token_id=name)
            if cache[name] is None and not world.revoked.is_revoked(token):
                cache.put(name, token)
            if cache[name] is not None:
                used.append((world.revoked.revision, name))
            await asyncio.sleep(0)

    async def revoke() -> None:
        for number in range(50):
            world.store.revoke(a_revocation(value=f"jti-{number}"))
            await world.revoked.apply(await world.store.changes_since(world.revoked.revision))
            await asyncio.sleep(0)

    await asyncio.gather(*(use(number) for number in range(50)), revoke())
    revoked_as = {entry.value: revision for revision, entry in world.store.revocations}
    assert used
    assert [name for revision, name in used if revision >= revoked_as[name]] == []
