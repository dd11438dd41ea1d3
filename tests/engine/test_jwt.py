"""Signed tokens in the engine: what is remembered, for how long, what ends it, and what a worker waits for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway_auth.adapters.issuers.key_sets import key_set_reader
from gateway_auth.core.credential import CredentialKind, Jwt
from gateway_auth.core.decision import Allow, Deny, Reason
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.keyhash import token_fingerprinter
from gateway_auth.core.policy import Policy
from gateway_auth.core.token import Revocation, VerifiedToken
from gateway_auth.engine.bearer import BearerVerifier
from gateway_auth.engine.jwt import FOREIGN, JwtVerifier
from gateway_auth.engine.keysets import IssuerKeys
from gateway_auth.engine.needs import VerifyToken
from gateway_auth.engine.opaque import IntrospectedIssuer, OpaqueVerifier
from gateway_auth.engine.pipeline import Engine
from gateway_auth.engine.token_cache import REMEMBER_SECONDS, TokenCache
from gateway_auth.errors import IssuerUnavailable
from gateway_auth.ports import VerificationKey
from tests.bearer.issuing import AUDIENCE, ISSUER, TokenIssuer, new_key
from tests.engine.test_opaque import Asked, active
from tests.fakes import START, World, request

ANY: frozenset[CredentialKind] = frozenset(("api_key", "jwt", "opaque"))
SIGNED: frozenset[CredentialKind] = frozenset(("jwt",))
ASKED: frozenset[CredentialKind] = frozenset(("opaque",))
POLICIES = (
    Policy(id="known", path="/orders", credentials=ANY, scopes=frozenset(("orders:read",))),
    Policy(id="jwt", path="/jwt", credentials=SIGNED),
    Policy(id="opaque", path="/opaque", credentials=ASKED),
    Policy(id="shadow", path="/shadow", credentials=ANY, scopes=frozenset(("nobody:has",)), is_shadow=True),
)
KEYS = TokenIssuer(ISSUER, {"k-1": ("ES256", new_key("ES256")), "k-2": ("ES256", new_key("ES256"))})


class Middle:
    """ports.Random in the middle."""

    def below(self, limit: int) -> int:
        return limit // 2


class Published:
    """ports.KeySetSource of what the issuer publishes at the moment."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self.issuer = issuer
        self.failure: IssuerUnavailable | None = None
        self.fetches = 0

    async def fetch(self) -> Sequence[VerificationKey]:
        self.fetches += 1
        if self.failure is not None:
            raise self.failure
        return key_set_reader("corp", ("ES256",))(json.dumps(self.issuer.jwks()).encode())


class Tokens(World):
    """A worker that also takes tokens of one issuer, and asks another about opaque ones."""

    def __init__(self, **more: Any) -> None:
        super().__init__(policies=POLICIES, **more)
        self.issuer = TokenIssuer(ISSUER, dict(KEYS.keys))
        self.published = Published(self.issuer)
        self.asked = Asked()
        self.known = TokenCache()
        rules = Issuer(id="corp", issuer=ISSUER, audiences=frozenset((AUDIENCE,)), algorithms=("ES256",))
        asked = Issuer(
            id="b", issuer="https://b.example", audiences=frozenset((AUDIENCE,)), has_keys=False, is_introspected=True
        )
        fingerprint = token_fingerprinter(b"x")
        self.keys_of_issuer = IssuerKeys("corp", self.published, self.clock, Middle())
        self.jwts = JwtVerifier(
            [(rules, self.keys_of_issuer)], {}, self.known, self.revoked.is_revoked, fingerprint, self.clock
        )
        self.opaques = OpaqueVerifier(
            [IntrospectedIssuer(rules=asked, introspector=self.asked)],
            {},
            self.revoked.is_revoked,
            fingerprint,
            self.clock,
        )
        self.bearer = BearerVerifier(self.jwts, self.opaques, self.changes, self.clock)
        self.engine = Engine(
            self.engine.rules, self.verifier, self.limits, self.brake, self.changes, self.clock, self.bearer
        )

    def token(self, kid: str = "k-1", **claims: Any) -> str:
        """A token that is good at the moment of the moved clock."""
        now = int(self.clock.now())
        return self.issuer.token(kid, **{"iat": now - 5, "exp": now + 3000, **claims})

    async def told(self, token: str, path: str = "/orders") -> str:
        """What a request with the token meets."""
        decision = await self.decide(request(path=path, authorization=f"Bearer {token}"))
        return "allow" if isinstance(decision, Allow) else str(decision.reason)

    def begun(self, token: str, path: str = "/orders") -> str:
        """The same without waiting; "wait" where that is needed."""
        begun = self.engine.begin(request(path=path, authorization=f"Bearer {token}"))
        if isinstance(begun, VerifyToken):
            return "wait"
        assert isinstance(begun, Allow | Deny)
        return "allow" if isinstance(begun, Allow) else str(begun.reason)


@pytest.fixture
async def world() -> Tokens:
    made = Tokens()
    await made.poll()
    return made


async def test_a_remembered_token_waits_for_nothing(world: Tokens) -> None:
    token = world.token()
    assert world.begun(token) == "wait"  # For the issuer's keys.
    assert await world.told(token) == "allow"
    assert world.begun(token) == "allow"
    assert world.begun(world.token()) == "allow"  # Another one is proven at once: the keys are there.
    assert world.published.fetches == 1


async def test_a_token_that_ends_while_it_is_remembered_is_refused_at_its_second(world: Tokens) -> None:
    token = world.token(exp=int(world.clock.now()) + 10)
    assert await world.told(token) == "allow"
    world.clock.advance(39.9)  # 10 and the leeway of 30.
    await world.poll()
    assert await world.told(token) == "allow"
    world.clock.advance(0.1)
    assert world.begun(token) == "credential_expired"
    world.known.known.clear()
    assert await world.told(token) == "credential_expired"
    assert len(world.known) == 0


async def test_a_clock_set_back_makes_a_remembered_token_too_early(world: Tokens) -> None:
    token = world.token(nbf=int(world.clock.now()))
    assert await world.told(token) == "allow"
    world.clock.wall -= 3600
    assert world.begun(token) == "invalid_credential"


async def test_what_is_remembered_is_proven_again_after_a_while(world: Tokens) -> None:
    token = world.token()
    await world.told(token)
    first = world.known.known
    entry = next(iter(first.values()))
    assert entry is not None
    assert entry.dies_at == world.keys_of_issuer.usable_until
    assert entry.dies_at <= world.clock.monotonic() + REMEMBER_SECONDS
    world.clock.advance(entry.dies_at - world.clock.monotonic())
    await world.poll()
    assert await world.told(token) == "allow"
    assert world.published.fetches == 2


async def test_failures_are_not_remembered(world: Tokens) -> None:
    for _ in range(3):
        assert await world.told(world.token(aud="elsewhere")) == "invalid_credential"
    assert len(world.known) == 0
    assert world.jwts.rejected["audience"] == 3


@pytest.mark.parametrize(
    ("claims", "header", "why"),
    [
        pytest.param({"iss": "https://nobody.example"}, {}, "issuer", id="an issuer nobody configured"),
        pytest.param({"iss": 7}, {}, "issuer", id="an issuer that is no text"),
        pytest.param({}, {"alg": "RS256"}, "algorithm", id="an algorithm that is not allowed"),
        pytest.param({}, {"kid": "k-2"}, "signature", id="another key's signature"),
        pytest.param({"sub": None}, {}, "subject", id="no subject"),
    ],
)
async def test_the_cause_of_a_refusal_is_counted_and_not_told(
    world: Tokens, claims: dict[str, Any], header: dict[str, object], why: str
) -> None:
    now = int(world.clock.now())
    token = world.issuer.token("k-1", header=header, **{"iat": now - 5, "exp": now + 300, **claims})
    assert await world.told(token, "/jwt") == "invalid_credential"
    assert world.jwts.rejected[why] == 1


async def test_an_unknown_kid_is_counted_as_a_missing_key(world: Tokens) -> None:
    await world.told(world.token())
    token = world.issuer.token("k-1", header={"kid": "k-9"}, iat=int(START) - 5, exp=int(START) + 300)
    assert await world.told(token) == "invalid_credential"
    assert world.jwts.rejected["key"] == 1
    assert world.begun(token) == "invalid_credential"


async def test_a_new_key_is_fetched_when_a_token_names_it(world: Tokens) -> None:
    await world.told(world.token())
    world.issuer.add("k-3", "ES256")
    token = world.token("k-3")
    assert world.begun(token) == "wait"
    assert await world.told(token) == "allow"


async def test_keys_that_cannot_be_had_are_503(world: Tokens) -> None:
    world.published.failure = IssuerUnavailable("down")
    assert await world.told(world.token()) == "dependency_unavailable"
    decision = await world.decide(request(authorization=f"Bearer {world.token()}"))
    assert isinstance(decision, Deny)
    assert decision.retry_after_seconds >= 1


# -- revocation ----------------------------------------------------------------------------------------------------


def revocation(kind: str, value: str, at: float) -> Revocation:
    return Revocation(id=f"r-{value}", kind=kind, value=value, revoked_at=at, expires_at=at + 9999)  # type: ignore[arg-type] # a table's text


async def test_a_revoked_token_is_refused_once_the_log_was_read(world: Tokens) -> None:
    token = world.token(jti="t-1")
    assert await world.told(token) == "allow"
    world.store.revoke(revocation("jti", "t-1", world.clock.now()))
    await world.poll()
    world.known.discard_where(world.revoked.is_revoked)
    assert await world.told(token) == "credential_revoked"
    assert len(world.known) == 0


async def test_a_worker_that_has_not_read_the_log_reads_it_before_it_believes_a_token(world: Tokens) -> None:
    token = world.token(jti="t-1")
    assert await world.told(token) == "allow"
    world.clock.advance(2.0)
    world.store.revoke(revocation("jti", "t-1", world.clock.now()))
    assert world.begun(token) == "wait"
    await world.poll()
    world.known.discard_where(world.revoked.is_revoked)
    assert await world.told(token) == "credential_revoked"


async def test_while_the_store_is_down_tokens_are_judged_by_what_is_known(world: Tokens) -> None:
    token = world.token()
    assert await world.told(token) == "allow"
    world.store.go_down()
    world.clock.advance(80)
    assert await world.told(token) == "allow"
    world.clock.advance(3600 - 200)
    assert await world.told(world.token()) == "allow"


# -- which verifier ------------------------------------------------------------------------------------------------


async def test_a_token_of_no_issuer_with_keys_is_asked_about_where_the_route_lets_it(world: Tokens) -> None:
    foreign = TokenIssuer("https://b.example", world.issuer.keys).token("k-1")
    world.asked.answers[foreign.encode()] = active(world.clock, scope="orders:read")
    assert await world.told(foreign, "/jwt") == "invalid_credential"
    assert world.asked.questions == []
    assert await world.told(foreign) == "allow"
    assert await world.told(foreign, "/opaque") == "allow"
    assert world.asked.questions == [foreign.encode()]


@pytest.mark.parametrize("token", ["v4.local.AAAA", "a.b.c", "W10.e30.AAAA"])
async def test_an_opaque_token_of_three_segments_is_asked_about(world: Tokens, token: str) -> None:
    world.asked.answers[token.encode()] = active(world.clock, scope="orders:read")
    assert await world.told(token) == "allow"
    assert await world.told(token, "/jwt") == "invalid_credential"


@pytest.mark.parametrize("spoilt", ["e30", "eyJhbGciOiJub25lIn0", "eyJhbGciOiJFUzI1NiIsImNyaXQiOltdfQ"])
async def test_a_token_with_a_header_is_never_asked_about_to_make_it_good(world: Tokens, spoilt: str) -> None:
    token = f"{spoilt}.{world.token().split('.', 1)[1]}"
    world.asked.answers[token.encode()] = active(world.clock, scope="orders:read")
    assert await world.told(token) == "invalid_credential"
    assert world.asked.questions == []


async def test_an_opaque_token_is_refused_where_only_signed_ones_pass(world: Tokens) -> None:
    world.asked.answers[b"opaque"] = active(world.clock)
    assert await world.told("opaque", "/jwt") == "invalid_credential"
    assert await world.told("opaque", "/opaque") == "allow"


async def test_without_anybody_to_ask_a_foreign_token_is_invalid(world: Tokens) -> None:
    alone = BearerVerifier(world.jwts, None, world.changes, world.clock)
    world.engine.tokens = alone
    foreign = TokenIssuer("https://b.example", world.issuer.keys).token("k-1")
    assert await world.told(foreign) == "invalid_credential"
    assert await world.told("opaque", "/opaque") == "invalid_credential"
    world.clock.advance(2.0)
    assert await world.told(foreign) == "invalid_credential"
    assert world.jwts.recall(Jwt(foreign.encode())) is FOREIGN


async def test_without_issuers_a_token_is_invalid() -> None:
    plain = World(policies=POLICIES)
    await plain.poll()
    decision = plain.begin(request(authorization="Bearer a.b.c"))
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.INVALID_CREDENTIAL


async def test_a_shadow_route_says_who_a_token_was(world: Tokens) -> None:
    token = world.token()
    await world.told(token)
    decision = world.begin(request(path="/shadow", authorization=f"Bearer {token}"))
    assert isinstance(decision, Allow)
    assert decision.shadowed is Reason.INSUFFICIENT_SCOPE
    assert decision.principal.subject == "user-1"


async def test_one_good_token_ends_the_brake() -> None:
    from gateway_auth.core.rates import parse_rate

    world = Tokens(brake_rate=parse_rate("3/minute"))
    await world.poll()
    for _ in range(2):
        assert await world.told(world.token(aud="x")) == "invalid_credential"
    assert await world.told(world.token()) == "allow"
    for _ in range(3):
        assert await world.told(world.token(aud="x")) == "invalid_credential"
    assert await world.told(world.token()) == "too_many_failures"


async def test_guesses_that_wait_together_are_braked_together() -> None:
    from gateway_auth.core.rates import parse_rate

    world = Tokens(brake_rate=parse_rate("3/minute"))
    await world.poll()
    answers = await asyncio.gather(*(world.told(f"guess-{number}", "/opaque") for number in range(10)))
    assert sorted(answers) == ["invalid_credential"] * 3 + ["too_many_failures"] * 7


async def test_a_store_that_fails_while_a_token_is_verified_is_503(world: Tokens) -> None:
    async def verify(*_: object) -> VerifiedToken | Reason:
        raise IssuerUnavailable("down")

    world.engine.tokens = BearerVerifier(world.jwts, world.opaques, world.changes, world.clock)
    world.engine.tokens.verify = verify  # type: ignore[method-assign, assignment] # any outage will do
    assert await world.told(world.token()) == "dependency_unavailable"


async def test_what_is_no_token_at_all_is_counted_by_its_form(world: Tokens) -> None:
    assert await world.told("e30.e30.AAAA", "/jwt") == "invalid_credential"
    assert world.jwts.rejected["algorithm"] == 1


async def test_a_token_cannot_be_waited_for_without_issuers(world: Tokens) -> None:
    need = world.engine.begin(request(authorization=f"Bearer {world.token()}"))
    assert isinstance(need, VerifyToken)
    world.engine.tokens = None
    with pytest.raises(AssertionError, match="without issuers"):
        await world.engine.resume(need)
