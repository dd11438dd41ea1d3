"""Opaque tokens: who is asked, what is remembered of the answer and for how long, and what an outage means."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from gateway_auth.core.admins import mint_token
from gateway_auth.core.decision import Reason
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.keyhash import fingerprinter
from gateway_auth.core.token import VerifiedToken
from gateway_auth.engine import opaque
from gateway_auth.engine.opaque import IntrospectedIssuer, OpaqueVerifier
from gateway_auth.errors import IssuerUnavailable
from tests.fakes import FakeClock, ticks

TOKEN = b"an-opaque_token.~+/=="
Claims = Mapping[str, object] | None


class Asked:
    """ports.Introspector: answers from `answers`, fails with `failure`, waits while `held`."""

    def __init__(self, **answers: Claims) -> None:
        self.answers: dict[bytes, Claims] = {name.encode(): claims for name, claims in answers.items()}
        self.questions: list[bytes] = []
        self.failure: IssuerUnavailable | None = None
        self.held: asyncio.Event | None = None

    async def introspect(self, token: bytes) -> Claims:
        self.questions.append(token)
        if self.held is not None:
            await self.held.wait()
        if self.failure is not None:
            raise self.failure
        return self.answers.get(token)


def active(clock: FakeClock, **changes: object) -> Claims:
    """The answer for a good token, with changes; None takes a claim away."""
    claims = {"active": True, "sub": "user-1", "client_id": "app-1", "scope": "a b", "exp": int(clock.now()) + 300}
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


class World:
    """One verifier over issuers that are asked in order."""

    def __init__(self, *asked: Asked, cache_seconds: float = 30.0, negative_cache_seconds: float = 5.0) -> None:
        self.clock = FakeClock()
        self.revoked: set[str] = set()
        self.asked = asked or (Asked(),)
        issuers = [
            IntrospectedIssuer(
                rules=Issuer(
                    id=f"i{number}",
                    issuer=f"https://i{number}.example",
                    audiences=frozenset(("orders",)),
                    has_keys=False,
                    is_introspected=True,
                ),
                introspector=each,
                cache_seconds=cache_seconds,
                negative_cache_seconds=negative_cache_seconds,
            )
            for number, each in enumerate(self.asked)
        ]
        self.verifier = OpaqueVerifier(
            issuers, {"r": ("c",)}, lambda token: token.subject in self.revoked, fingerprinter(b"x"), self.clock
        )

    def knows(self, **changes: object) -> None:
        """The first issuer vouches for TOKEN."""
        self.asked[0].answers[TOKEN] = active(self.clock, **changes)


async def test_an_active_token_is_proven_once_and_remembered() -> None:
    world = World()
    world.knows(roles=["r"])
    assert world.verifier.recall(TOKEN) is None
    token = await world.verifier.verify(TOKEN)
    assert isinstance(token, VerifiedToken)
    assert (token.subject, token.principal.app_id, token.principal.method) == ("user-1", "app-1", "opaque")
    assert token.principal.scopes == {"a", "b", "c"}
    assert world.verifier.recall(TOKEN) is token
    assert world.asked[0].questions == [TOKEN]


async def test_it_is_asked_about_again_when_its_time_is_over() -> None:
    world = World(cache_seconds=30)
    world.knows()
    await world.verifier.verify(TOKEN)
    world.clock.advance(29.9)
    assert world.verifier.recall(TOKEN) is not None
    world.clock.advance(0.1)
    assert world.verifier.recall(TOKEN) is None


async def test_an_answer_is_kept_from_when_it_was_asked_for() -> None:
    """What was taken back while it was on its way is not in it."""
    world = World(cache_seconds=30)
    world.knows()
    world.asked[0].held = asyncio.Event()
    asking = asyncio.create_task(world.verifier.verify(TOKEN))
    await ticks()
    world.clock.advance(2)
    world.asked[0].held.set()
    await asking
    world.clock.advance(27.9)
    assert world.verifier.recall(TOKEN) is not None
    world.clock.advance(0.1)
    assert world.verifier.recall(TOKEN) is None


async def test_an_answer_is_never_kept_beyond_the_end_of_the_token() -> None:
    world = World(cache_seconds=30)
    world.knows(exp=int(world.clock.now()) + 10)
    await world.verifier.verify(TOKEN)
    world.clock.advance(9.9)
    assert world.verifier.recall(TOKEN) is not None
    world.clock.advance(0.1)
    assert world.verifier.recall(TOKEN) is None


async def test_a_token_that_is_not_active_is_refused_and_that_is_kept_briefly() -> None:
    world = World(negative_cache_seconds=5)
    assert await world.verifier.verify(TOKEN) is Reason.INVALID_CREDENTIAL
    assert world.verifier.recall(TOKEN) is Reason.INVALID_CREDENTIAL
    world.clock.advance(5.1)
    assert world.verifier.recall(TOKEN) is None
    world.knows()
    assert isinstance(await world.verifier.verify(TOKEN), VerifiedToken)


async def test_nothing_is_kept_where_nothing_may_be() -> None:
    world = World(cache_seconds=0, negative_cache_seconds=0)
    assert await world.verifier.verify(TOKEN) is Reason.INVALID_CREDENTIAL
    assert world.verifier.recall(TOKEN) is None
    world.knows()
    assert isinstance(await world.verifier.verify(TOKEN), VerifiedToken)
    assert world.verifier.recall(TOKEN) is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": "elsewhere"}, id="for somebody else"),
        pytest.param({"iss": "https://other.example"}, id="of somebody else"),
        pytest.param({"exp": 1}, id="over"),
        pytest.param({"nbf": 1 << 40}, id="not yet"),
        pytest.param({"cnf": {"jkt": "x"}}, id="bound to its sender"),
        pytest.param({"token_type": "DPoP"}, id="sent with proofs"),
        pytest.param({"sub": None, "client_id": None}, id="nobody's"),
    ],
)
async def test_an_active_token_must_still_be_one_for_us(changes: dict[str, object]) -> None:
    world = World()
    world.knows(**changes)
    assert await world.verifier.verify(TOKEN) is Reason.INVALID_CREDENTIAL


async def test_without_end_or_audience_the_issuers_word_counts() -> None:
    world = World()
    world.knows(exp=None)
    assert isinstance(await world.verifier.verify(TOKEN), VerifiedToken)
    world.clock.advance(29)
    assert world.verifier.recall(TOKEN) is not None


@pytest.mark.parametrize("text", [b"", b"a b", b"\xff", b"a=b", b'"', b"a,b"])
async def test_what_no_issuer_gives_out_is_asked_about_nowhere(text: bytes) -> None:
    world = World()
    assert world.verifier.recall(text) is Reason.INVALID_CREDENTIAL
    assert await world.verifier.verify(text) is Reason.INVALID_CREDENTIAL
    assert world.asked[0].questions == []


async def test_a_token_of_our_own_admins_is_shown_to_no_issuer() -> None:
    world = World()
    token = mint_token("000000000000", 7).encode()
    world.asked[0].answers[token] = active(world.clock)
    for presented in (token, b"gwadm_", token[:-1]):
        assert world.verifier.recall(presented) is Reason.INVALID_CREDENTIAL
        assert await world.verifier.verify(presented) is Reason.INVALID_CREDENTIAL
    assert world.asked[0].questions == []


async def test_many_callers_for_one_token_ask_once() -> None:
    world = World()
    world.knows()
    world.asked[0].held = asyncio.Event()
    waiting = [asyncio.create_task(world.verifier.verify(TOKEN)) for _ in range(50)]
    await ticks()
    waiting[0].cancel()
    world.asked[0].held.set()
    answers = await asyncio.gather(*waiting[1:])
    assert len(world.asked[0].questions) == 1
    assert len({id(answer) for answer in answers}) == 1


async def test_an_issuer_that_is_down_is_an_outage_and_not_remembered() -> None:
    world = World()
    world.asked[0].failure = IssuerUnavailable("down")
    with pytest.raises(IssuerUnavailable):
        await world.verifier.verify(TOKEN)
    assert world.verifier.recall(TOKEN) is None
    world.asked[0].failure = None
    world.knows()
    assert isinstance(await world.verifier.verify(TOKEN), VerifiedToken)


async def test_an_issuer_that_does_not_answer_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opaque, "QUESTION_SECONDS", 0.01)
    world = World()
    world.asked[0].held = asyncio.Event()
    with pytest.raises(IssuerUnavailable, match="too long"):
        await world.verifier.verify(TOKEN)


async def test_issuers_are_asked_in_order_and_their_answers_kept_apart() -> None:
    first, second = Asked(), Asked()
    world = World(first, second)
    second.answers[TOKEN] = active(world.clock)
    token = await world.verifier.verify(TOKEN)
    assert isinstance(token, VerifiedToken)
    assert token.issuer_id == "i1"
    # The first one's "no" is remembered beside the second one's "yes".
    assert world.verifier.recall(TOKEN) is token
    world.clock.advance(31)
    first.answers[TOKEN] = active(world.clock)
    again = await world.verifier.verify(TOKEN)
    assert isinstance(again, VerifiedToken)
    assert again.issuer_id == "i0"
    assert (len(first.questions), len(second.questions)) == (2, 1)


async def test_a_remembered_yes_needs_no_issuer_that_said_no_before() -> None:
    first, second = Asked(), Asked()
    world = World(first, second)
    second.answers[TOKEN] = active(world.clock)
    token = await world.verifier.verify(TOKEN)
    first.failure = IssuerUnavailable("down")
    world.clock.advance(6)
    assert world.verifier.recall(TOKEN) is token
    assert await world.verifier.verify(TOKEN) is token
    assert len(first.questions) == 1


async def test_a_no_counts_only_when_everybody_could_be_asked() -> None:
    first, second = Asked(), Asked()
    first.failure = IssuerUnavailable("down")
    world = World(first, second)
    with pytest.raises(IssuerUnavailable):
        await world.verifier.verify(TOKEN)
    second.answers[TOKEN] = active(world.clock)
    world.clock.advance(6)
    assert isinstance(await world.verifier.verify(TOKEN), VerifiedToken)


async def test_a_token_revoked_here_is_refused_whatever_its_issuer_says() -> None:
    world = World()
    world.knows()
    assert isinstance(await world.verifier.verify(TOKEN), VerifiedToken)
    world.revoked.add("user-1")
    world.verifier.discard_where(lambda token: token.subject == "user-1")
    assert world.verifier.recall(TOKEN) is None
    assert await world.verifier.verify(TOKEN) is Reason.CREDENTIAL_REVOKED
    assert world.verifier.recall(TOKEN) is Reason.CREDENTIAL_REVOKED


async def test_a_revocation_while_the_issuer_answers_wins() -> None:
    world = World()
    world.knows()
    world.asked[0].held = asyncio.Event()
    asking = asyncio.create_task(world.verifier.verify(TOKEN))
    await ticks()
    world.revoked.add("user-1")
    world.asked[0].held.set()
    assert await asking is Reason.CREDENTIAL_REVOKED


async def test_a_token_revoked_here_is_not_taken_from_another_issuer() -> None:
    first, second = Asked(), Asked()
    world = World(first, second)
    world.knows()
    world.revoked.add("user-1")
    second.answers[TOKEN] = active(world.clock, sub="user-2")
    assert await world.verifier.verify(TOKEN) is Reason.CREDENTIAL_REVOKED
    assert world.verifier.recall(TOKEN) is Reason.CREDENTIAL_REVOKED
    assert second.questions == []


async def test_memory_gives_the_same_reason_as_the_issuers_did() -> None:
    first, second = Asked(), Asked()
    world = World(first, second)
    second.answers[TOKEN] = active(world.clock)
    world.revoked.add("user-1")
    assert await world.verifier.verify(TOKEN) is Reason.CREDENTIAL_REVOKED
    assert world.verifier.recall(TOKEN) is Reason.CREDENTIAL_REVOKED
    second.answers.clear()
    world.clock.advance(6)
    assert await world.verifier.verify(TOKEN) is Reason.INVALID_CREDENTIAL
    assert world.verifier.recall(TOKEN) is Reason.INVALID_CREDENTIAL


async def test_made_up_tokens_do_not_push_out_good_ones() -> None:
    world = World()
    world.knows()
    good = await world.verifier.verify(TOKEN)
    for number in range(11_000):
        await world.verifier.verify(b"guess-%d" % number)
    assert world.verifier.recall(TOKEN) is good


async def test_no_more_than_so_many_questions_to_an_issuer_are_under_way() -> None:
    world = World()
    world.asked[0].held = asyncio.Event()
    waiting = [asyncio.create_task(world.verifier.verify(b"t-%d" % number)) for number in range(100)]
    await ticks(200)
    assert len(world.asked[0].questions) == opaque.MAX_QUESTIONS
    world.asked[0].held.set()
    await asyncio.gather(*waiting)
    assert len(world.asked[0].questions) == 100


async def test_an_issuer_that_hangs_takes_no_turn_of_another() -> None:
    first, second = Asked(), Asked()
    world = World(first, second)
    world.knows()
    second.held = asyncio.Event()
    guesses = [asyncio.create_task(world.verifier.verify(b"t-%d" % number)) for number in range(100)]
    await ticks(200)
    good = asyncio.create_task(world.verifier.verify(TOKEN))
    await ticks()
    assert good.done()
    second.held.set()
    await asyncio.gather(*guesses)
