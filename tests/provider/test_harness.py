"""That the provider the tests stand on is one: what it issues, publishes, introspects, rotates, and fails to."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import quote_plus

import httpx2
import pytest

from tests.provider.harness import ES256_RESOURCE, OPAQUE_RESOURCE, RS256_RESOURCE, Failure, Provider, running_provider

pytestmark = pytest.mark.slow


def part(token: str, number: int) -> dict[str, Any]:
    """The header (0) or the claims (1) of a token."""
    text = token.split(".")[number]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


def introspected(provider: Provider, token: str, client: tuple[str, str] | None = None) -> dict[str, Any]:
    """What the provider says of a token."""
    client = client or provider.introspection_client
    answer = httpx2.post(provider.introspection_url, data={"token": token}, auth=client)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def test_discovery_names_the_issuer_and_its_endpoints(provider: Provider) -> None:
    document = httpx2.get(f"{provider.issuer}/.well-known/openid-configuration").json()
    assert document["issuer"] == provider.issuer
    assert document["jwks_uri"] == provider.jwks_url
    assert document["token_endpoint"] == provider.token_url
    assert document["introspection_endpoint"] == provider.introspection_url


@pytest.mark.parametrize(
    ("resource", "algorithm"), [(RS256_RESOURCE, "RS256"), (ES256_RESOURCE, "ES256")], ids=["RS256", "ES256"]
)
def test_a_signed_token_is_an_access_token_of_rfc_9068(provider: Provider, resource: str, algorithm: str) -> None:
    token = provider.token(resource, scope="orders:read orders:write", lifetime=60)
    header, claims = part(token, 0), part(token, 1)
    assert (header["typ"], header["alg"]) == ("at+jwt", algorithm)
    assert header["kid"] in provider.kids()
    assert (claims["iss"], claims["aud"], claims["client_id"]) == (provider.issuer, resource, "asker")
    assert claims["scope"] == "orders:read orders:write"
    assert claims["exp"] - claims["iat"] == 60


def test_a_token_carries_the_claims_a_test_wants(provider: Provider) -> None:
    assert part(provider.token(claims={"roles": ["analyst"]}), 1)["roles"] == ["analyst"]
    assert introspected(provider, provider.opaque_token(claims={"sub": "user-1"}))["sub"] == "user-1"


def test_introspection_knows_an_opaque_token(provider: Provider) -> None:
    token = provider.opaque_token(scope="orders:read", lifetime=60)
    said = introspected(provider, token)
    assert token.count(".") == 0
    assert (said["active"], said["scope"], said["aud"]) == (True, "orders:read", OPAQUE_RESOURCE)
    assert said["exp"] - said["iat"] == 60


def test_an_odd_client_is_known_by_its_form_encoded_name_and_secret(provider: Provider) -> None:
    token = provider.opaque_token()
    name, secret = provider.odd_introspection_client
    assert introspected(provider, token, (quote_plus(name), quote_plus(secret)))["active"] is True
    as_they_are = httpx2.post(provider.introspection_url, data={"token": token}, auth=(name, secret))
    assert as_they_are.status_code in (400, 401)


def test_a_token_without_a_resource_has_no_audience(provider: Provider) -> None:
    said = introspected(provider, provider.token(resource=None))
    assert said["active"] is True
    assert "aud" not in said


def test_a_revoked_token_is_inactive(provider: Provider) -> None:
    token = provider.opaque_token()
    provider.revoke(token)
    assert introspected(provider, token) == {"active": False}


def test_an_expired_token_is_inactive(provider: Provider) -> None:
    token = provider.opaque_token(lifetime=1)
    end = time.monotonic() + 10
    while introspected(provider, token)["active"] and time.monotonic() < end:
        time.sleep(0.05)
    assert introspected(provider, token) == {"active": False}


def test_a_fresh_key_signs_at_once_and_the_oldest_leave(provider: Provider) -> None:
    first = part(provider.token(), 0)["kid"]
    others = [kid for kid in provider.kids() if kid.startswith("ES256")]
    second = provider.rotate(keep=1)
    assert part(provider.token(), 0)["kid"] == second
    assert provider.kids() == [second, first, *others]
    third = provider.rotate(keep=1)
    assert provider.kids() == [third, second, *others]
    fourth = provider.rotate(keep=0)
    assert provider.kids() == [fourth, *others]


def test_a_rotation_leaves_opaque_tokens_alone(provider: Provider) -> None:
    token = provider.opaque_token()
    provider.rotate(keep=0)
    assert introspected(provider, token)["active"] is True
    provider.revoke(token)
    assert introspected(provider, token)["active"] is False


def test_only_what_others_ask_is_counted(provider: Provider) -> None:
    provider.kids()
    provider.token()
    assert (provider.requests("jwks"), provider.requests("token")) == (0, 0)
    httpx2.get(provider.jwks_url)
    assert provider.requests("jwks") == 1
    provider.reset()
    assert provider.requests("jwks") == 0


@pytest.mark.parametrize(("how", "status"), [("500", 500), ("503", 503), ("html", 200), ("redirect", 302)])
def test_a_path_answers_badly_until_it_is_mended(provider: Provider, how: Failure, status: int) -> None:
    provider.fail("jwks", how)
    answer = httpx2.get(provider.jwks_url)
    assert answer.status_code == status
    assert "keys" not in answer.text
    assert provider.kids()
    provider.fail("jwks", None)
    assert "keys" in httpx2.get(provider.jwks_url).json()


@pytest.mark.parametrize("how", ["hang", "drop"])
def test_a_path_does_not_answer(provider: Provider, how: Failure) -> None:
    provider.fail("introspection", how)
    with pytest.raises(httpx2.TransportError):
        httpx2.post(provider.introspection_url, data={"token": "x"}, timeout=0.2)
    assert provider.requests("introspection") == 1


def test_a_slow_path_answers_well(provider: Provider) -> None:
    provider.fail("introspection", "slow")
    assert introspected(provider, provider.opaque_token())["active"] is True


def test_closing_ends_its_own_process_alone(provider: Provider) -> None:
    with running_provider() as other:
        assert other.issuer != provider.issuer
        assert other.kids()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(other.jwks_url)
    assert provider.kids()
