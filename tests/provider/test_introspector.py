"""Our introspection against the real provider: what it vouches for, takes back, lets end, and does not know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway_auth.adapters.issuers.introspection import HttpIntrospector
from gateway_auth.core.credential import MAX_CREDENTIAL_BYTES
from gateway_auth.core.decision import Reason
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.keyhash import fingerprinter
from gateway_auth.core.token import VerifiedToken
from gateway_auth.engine.opaque import IntrospectedIssuer, OpaqueVerifier
from gateway_auth.errors import IssuerUnavailable
from tests.fakes import FakeClock
from tests.provider.harness import ASKER, OPAQUE_RESOURCE, Failure, Provider

pytestmark = pytest.mark.slow

CACHE_SECONDS = 30


@pytest.fixture
async def introspector(provider: Provider) -> AsyncIterator[HttpIntrospector]:
    asking = HttpIntrospector("provider", provider.introspection_url, *provider.introspection_client)
    yield asking
    await asking.close()


@pytest.fixture
def clock() -> FakeClock:
    """The provider's time, until it is moved: tokens end by the real one."""
    return FakeClock(wall=time.time())


@pytest.fixture
def verifier(provider: Provider, introspector: HttpIntrospector, clock: FakeClock) -> OpaqueVerifier:
    rules = Issuer(
        id="provider",
        issuer=provider.issuer,
        audiences=frozenset((OPAQUE_RESOURCE,)),
        has_keys=False,
        is_introspected=True,
    )
    issuer = IntrospectedIssuer(
        rules=rules, introspector=introspector, cache_seconds=CACHE_SECONDS, negative_cache_seconds=5
    )
    return OpaqueVerifier([issuer], {"analyst": ("reports:read",)}, lambda token: False, fingerprinter(b"x"), clock)


async def eventually_inactive(introspector: HttpIntrospector, presented: bytes) -> None:
    """Ask until the provider's own clock has ended the token."""
    for _ in range(200):
        if await introspector.introspect(presented) is None:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("still active")


def a_proof(method: str, address: str) -> str:
    """That its sender holds a key (RFC 9449 section 4.2): a fresh one, used once."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    claims = {"jti": uuid4().hex, "htm": method, "htu": address, "iat": int(time.time())}
    return jwt.encode(claims, key, "ES256", headers={"typ": "dpop+jwt", "jwk": public})


async def test_an_active_token_names_its_client_scopes_and_roles(provider: Provider, verifier: OpaqueVerifier) -> None:
    presented = provider.opaque_token("orders:read", claims={"roles": ["analyst"]}).encode()
    token = await verifier.verify(presented)
    assert isinstance(token, VerifiedToken)
    assert (token.issuer, token.subject, token.principal.app_id) == (provider.issuer, "asker", "asker")
    assert token.principal.scopes == {"orders:read", "reports:read"}
    assert verifier.recall(presented) is token
    assert provider.requests("introspection") == 1


async def test_a_token_of_a_person_names_that_person(provider: Provider, verifier: OpaqueVerifier) -> None:
    token = await verifier.verify(provider.opaque_token(claims={"sub": "ada"}).encode())
    assert isinstance(token, VerifiedToken)
    assert (token.subject, token.principal.app_id) == ("ada", "asker")


async def test_a_token_that_names_no_audience_is_taken_by_its_issuers_word(
    provider: Provider, verifier: OpaqueVerifier
) -> None:
    assert isinstance(await verifier.verify(provider.token(resource=None).encode()), VerifiedToken)


async def test_a_token_bound_to_its_sender_is_refused_as_a_bearer(provider: Provider, verifier: OpaqueVerifier) -> None:
    answer = httpx2.post(
        provider.token_url,
        data={"grant_type": "client_credentials", "scope": "orders:read", "resource": OPAQUE_RESOURCE},
        auth=ASKER,
        headers={"DPoP": a_proof("POST", provider.token_url)},
    )
    assert answer.json()["token_type"] == "DPoP"
    assert await verifier.verify(answer.json()["access_token"].encode()) is Reason.INVALID_CREDENTIAL
    assert provider.requests("introspection") == 1


async def test_a_token_revoked_there_is_refused_once_the_answer_is_forgotten(
    provider: Provider, verifier: OpaqueVerifier, clock: FakeClock
) -> None:
    presented = provider.opaque_token().encode()
    assert isinstance(await verifier.verify(presented), VerifiedToken)
    provider.revoke(presented.decode())
    clock.advance(CACHE_SECONDS - 0.1)
    assert isinstance(verifier.recall(presented), VerifiedToken)
    clock.advance(0.1)
    assert verifier.recall(presented) is None
    assert await verifier.verify(presented) is Reason.INVALID_CREDENTIAL


async def test_a_token_is_not_remembered_beyond_its_end(
    provider: Provider, introspector: HttpIntrospector, verifier: OpaqueVerifier, clock: FakeClock
) -> None:
    presented = provider.opaque_token(lifetime=2).encode()
    assert isinstance(await verifier.verify(presented), VerifiedToken)
    clock.advance(2)
    assert verifier.recall(presented) is None
    await eventually_inactive(introspector, presented)
    assert await verifier.verify(presented) is Reason.INVALID_CREDENTIAL


@pytest.mark.parametrize(
    "presented",
    [
        pytest.param(b"nobody-knows-this", id="a guess"),
        pytest.param(b"a+/b~._-==", id="signs"),
        pytest.param(b"A" * MAX_CREDENTIAL_BYTES, id="the longest"),
        pytest.param(b"eyJhbGciOiJub25lIn0.e30.", id="an unsigned JWT"),
        pytest.param(b"eyJhbGciOiJSUzI1NiJ9.eyJqdGkiOiJ4In0.AAAA", id="another issuer's JWT"),
    ],
)
async def test_a_token_it_does_not_know_is_not_active(introspector: HttpIntrospector, presented: bytes) -> None:
    assert await introspector.introspect(presented) is None


async def test_a_rotation_of_keys_changes_nothing_for_it(provider: Provider, introspector: HttpIntrospector) -> None:
    presented = provider.opaque_token().encode()
    provider.rotate(keep=0)
    assert await introspector.introspect(presented) is not None


async def test_a_name_and_a_secret_full_of_signs_are_understood(provider: Provider) -> None:
    asking = HttpIntrospector("provider", provider.introspection_url, *provider.odd_introspection_client)
    said = await asking.introspect(provider.opaque_token().encode())
    await asking.close()
    assert said is not None
    assert said["scope"] == "orders:read"


@pytest.mark.parametrize("client", [("gateway", "another-secret"), ("nobody", "gateway-secret")])
async def test_a_wrong_secret_is_an_outage_that_names_the_cause(
    provider: Provider, client: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    asking = HttpIntrospector("provider", provider.introspection_url, *client)
    with pytest.raises(IssuerUnavailable, match="answered 401"):
        await asking.introspect(provider.opaque_token().encode())
    await asking.close()
    assert "own client id or secret" in caplog.text


@pytest.mark.parametrize("how", ["500", "503", "drop", "html", "redirect"])
async def test_while_it_is_out_of_order_nothing_is_decided(
    provider: Provider, verifier: OpaqueVerifier, how: Failure
) -> None:
    presented = provider.opaque_token().encode()
    provider.fail("introspection", how)
    with pytest.raises(IssuerUnavailable):
        await verifier.verify(presented)
    assert verifier.recall(presented) is None
    provider.fail("introspection", None)
    assert isinstance(await verifier.verify(presented), VerifiedToken)


async def test_many_tokens_at_once_are_all_answered(provider: Provider, verifier: OpaqueVerifier) -> None:
    presented = [provider.opaque_token().encode() for _ in range(40)]
    answers = await asyncio.gather(*(verifier.verify(token) for token in presented * 5))
    assert all(isinstance(answer, VerifiedToken) for answer in answers)
    assert provider.requests("introspection") == len(presented)
