"""Signed tokens through the middleware: who passes, what the app learns, what everybody else is told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from gateway_auth import GatewayAuth
from tests.asgi.raw import Answer, connect, get, websocket_scope
from tests.asgi.world import Echo
from tests.bearer.conftest import Start, bearer, issuer_table
from tests.bearer.issuing import TokenIssuer, new_key


def error_of(answer: Answer) -> str:
    """The `error` of the Bearer challenge."""
    (challenge,) = [value for value in answer.values("www-authenticate") if value.startswith("Bearer ")]
    return challenge.partition('error="')[2].partition('"')[0]


@pytest.mark.parametrize("kid", ["k-1", "k-PS256", "k-ES256", "k-Ed25519"])
async def test_a_token_of_every_algorithm_passes(gateway: GatewayAuth, issuer: TokenIssuer, kid: str) -> None:
    for _ in range(2):  # The second time it is remembered.
        assert (await get(gateway, "/orders/1", headers=bearer(issuer.token(kid)))).status == 200


async def test_the_app_learns_who_it_is(gateway: GatewayAuth, issuer: TokenIssuer, app: Echo) -> None:
    token = issuer.token(scope="orders:read a", roles=["analyst"], name="Ada")
    assert (await get(gateway, "/orders/1", headers=bearer(token))).status == 200
    user, auth = app.last["user"], app.last["auth"]
    assert (user.subject, user.app_id, user.key_id, user.display_name) == ("user-1", "client-1", None, "Ada")
    assert (user.scopes, user.roles, user.method) == ({"orders:read", "a"}, {"analyst"}, "jwt")
    assert user.claims["iss"] == issuer.issuer
    assert "orders:read" in auth.scopes
    assert app.values("x-auth-subject") == ["user-1"]
    assert app.values("x-auth-app") == ["client-1"]
    assert app.values("x-auth-method") == ["jwt"]
    assert app.values("x-auth-scopes") == ["a orders:read"]
    assert app.values("x-auth-roles") == ["analyst"]
    assert app.values("x-auth-key-id") == []
    assert app.values("authorization") == []


async def test_a_subject_cannot_write_headers(gateway: GatewayAuth, issuer: TokenIssuer, app: Echo) -> None:
    answer = await get(gateway, "/known", headers=bearer(issuer.token(sub="ünï x-auth-roles: admin")))
    assert answer.status == 200
    (value,) = app.values("x-auth-subject")
    assert value.isascii()
    assert " " not in value


async def test_a_role_brings_its_scopes(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    token = issuer.token(scope=None, realm_access={"roles": ["reader"]})
    assert (await get(gateway, "/orders/1", headers=bearer(token))).status == 200


async def test_a_missing_scope_is_403_with_a_challenge(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    answer = await get(gateway, "/orders/1", headers=bearer(issuer.token(scope="orders:list")))
    assert answer.refusal == (403, "insufficient_scope")
    (challenge,) = answer.values("www-authenticate")
    assert 'error="insufficient_scope", scope="orders:read"' in challenge


async def test_a_missing_role_is_403(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    answer = await get(gateway, "/analysts", headers=bearer(issuer.token(roles=["reader"])))
    assert answer.refusal == (403, "insufficient_role")


async def test_a_route_for_keys_alone_takes_no_token(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    answer = await get(gateway, "/keys", headers=bearer(issuer.token()))
    assert answer.refusal == (401, "invalid_credential")


async def test_an_optional_route_refuses_a_bad_token(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    assert (await get(gateway, "/optional")).status == 200
    assert (await get(gateway, "/optional", headers=bearer(issuer.token()))).status == 200
    answer = await get(gateway, "/optional", headers=bearer(issuer.token(aud="elsewhere")))
    assert answer.refusal == (401, "invalid_credential")


NOW = int(time.time())
BAD: list[Any] = [
    pytest.param({"aud": "elsewhere"}, {}, id="another audience"),
    pytest.param({"iss": "https://idp.example/"}, {}, id="nearly the issuer"),
    pytest.param({"exp": None}, {}, id="no end"),
    pytest.param({"exp": NOW + 10 * 86400}, {}, id="lives too long"),
    pytest.param({"nbf": NOW + 3600}, {}, id="not yet"),
    pytest.param({"iat": NOW + 3600}, {}, id="of the future"),
    pytest.param({"sub": None}, {}, id="nobody"),
    pytest.param({"cnf": {"jkt": "x"}}, {}, id="bound to its sender"),
    pytest.param({}, {"typ": "JWT"}, id="another type"),
    pytest.param({}, {"typ": None}, id="no type"),
    pytest.param({}, {"crit": ["exp"]}, id="an extension"),
    pytest.param({}, {"kid": "k-9"}, id="an unknown key"),
    pytest.param({}, {"kid": None, "alg": "HS256"}, id="no signature of the issuer's"),
    pytest.param({}, {"alg": "none"}, id="no signature"),
]


@pytest.mark.parametrize(("claims", "header"), BAD)
async def test_a_bad_token_says_no_more_than_that(
    gateway: GatewayAuth, issuer: TokenIssuer, app: Echo, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    answers = [await get(gateway, "/known", headers=bearer(issuer.token(header=header, **claims))) for _ in range(2)]
    garbage = await get(gateway, "/known", headers=bearer("e30.e30.AAAA"))
    for answer in answers:
        assert answer.refusal == (401, "invalid_credential")
        assert error_of(answer) == "invalid_token"
        assert answer.problem | {"request_id": ""} == garbage.problem | {"request_id": ""}
    assert app.scopes == []


async def test_an_expired_token_is_told_so_and_a_forged_one_is_not(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    over: dict[str, Any] = {"iat": NOW - 3600, "exp": NOW - 60}
    answer = await get(gateway, "/known", headers=bearer(issuer.token(**over)))
    assert answer.refusal == (401, "credential_expired")
    assert error_of(answer) == "invalid_token"
    forger = TokenIssuer(issuer.issuer, {"k-1": ("RS256", new_key("RS256"))})
    answer = await get(gateway, "/known", headers=bearer(forger.token(**over)))
    assert answer.refusal == (401, "invalid_credential")


async def test_a_key_and_a_token_together_are_ambiguous(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    answer = await get(gateway, "/known", "gwk_live_x", headers=bearer(issuer.token()))
    assert answer.refusal == (400, "ambiguous_credentials")


async def test_two_issuers_may_use_one_kid(start: Start, issuer: TokenIssuer, tmp_path: Path) -> None:
    other = TokenIssuer("https://other.example", {"k-1": ("RS256", new_key("RS256"))})
    gateway = await start([issuer_table(issuer, tmp_path), issuer_table(other, tmp_path)])
    for good in (issuer, other):
        assert (await get(gateway, "/known", headers=bearer(good.token("k-1")))).status == 200
    mixed = TokenIssuer(issuer.issuer, other.keys).token("k-1")
    assert (await get(gateway, "/known", headers=bearer(mixed))).refusal == (401, "invalid_credential")


async def test_apps_and_subjects_of_two_issuers_are_counted_apart(
    start: Start, issuer: TokenIssuer, tmp_path: Path
) -> None:
    other = TokenIssuer("https://other.example", {"k-1": ("RS256", new_key("RS256"))})
    gateway = await start([issuer_table(issuer, tmp_path), issuer_table(other, tmp_path)])
    for path in ("/metered", "/subjects"):
        statuses = [(await get(gateway, path, headers=bearer(issuer.token()))).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await get(gateway, path, headers=bearer(other.token()))).status == 200


async def test_a_shared_secret_verifies_and_only_with_its_algorithm(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.bearer.issuing import ISSUER, compact

    secret = "4vN8yq1R-tB6_wZkM0sXcGj7LhPfUa2dEo9iKrQ5"
    monkeypatch.setenv("MAC", secret)
    table = {
        "id": "mac", "issuer": ISSUER, "audiences": ["orders"], "secret": "env:MAC", "algorithms": ["HS256"],
    }  # fmt: skip
    gateway = await start([table])
    claims = TokenIssuer(keys={}).claims()
    good = compact({"alg": "HS256", "typ": "at+jwt"}, claims, secret.encode(), "HS256")
    assert (await get(gateway, "/known", headers=bearer(good))).status == 200
    forged = compact({"alg": "HS256", "typ": "at+jwt"}, claims, b"x" * 40, "HS256")
    assert (await get(gateway, "/known", headers=bearer(forged))).refusal == (401, "invalid_credential")


async def test_a_websocket_is_judged_by_its_token_before_it_is_accepted(
    gateway: GatewayAuth, issuer: TokenIssuer
) -> None:
    good = await connect(gateway, websocket_scope("/socket", bearer(issuer.token())))
    assert good.messages == [{"type": "websocket.accept", "headers": good.messages[0]["headers"]}]
    bad = await connect(gateway, websocket_scope("/socket", bearer(issuer.token(scope="x"))))
    assert bad.messages[0]["type"] == "websocket.close"


async def test_guessing_tokens_is_braked(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    bad = bearer(issuer.token(aud="elsewhere"))
    statuses = [(await get(gateway, "/known", headers=bad)).status for _ in range(25)]
    assert statuses == [401] * 20 + [429] * 5


async def test_the_bodies_of_refusals_are_few(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    bodies = set()
    for number, case in enumerate(BAD):
        claims, header = case.values
        token = issuer.token(header=header, **claims)
        client = (f"198.51.100.{number + 1}", 5000)
        answer = await get(gateway, "/known", headers=bearer(token), client=client)
        bodies.add(json.dumps(answer.problem | {"request_id": ""}))
    assert len(bodies) == 1
