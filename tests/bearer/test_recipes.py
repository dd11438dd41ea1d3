"""The recipes of docs/jwt.md, each with tokens of the shape its provider gives out.

The shapes are those providers document for access tokens; keys and values are the tests' own.
"""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, field

from tests.asgi.raw import get
from tests.asgi.world import Echo
from tests.bearer.conftest import Start, bearer
from tests.bearer.issuing import TokenIssuer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "jwt.md"
NOW = int(time.time())
TIMES = {"iat": NOW - 10, "exp": NOW + 3000}
Claims = dict[str, Any]


class Shape(Struct, frozen=True):
    """An access token of a provider: `header` and `claims` as documented; what becomes of it; its ID token."""

    header: dict[str, Any]
    claims: Claims
    subject: str
    app: str | None
    scopes: frozenset[str]
    roles: frozenset[str]
    others: dict[str, Claims] = field(default_factory=dict)
    """Tokens of the same provider that are no access tokens for us, by what is changed; None takes a claim away."""


AUTH0 = Shape(
    {"alg": "RS256", "typ": "JWT"},
    {
        "iss": "https://TENANT.eu.auth0.com/", "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "aud": ["https://orders.example.com", "https://TENANT.eu.auth0.com/userinfo"], "azp": "my_client_id",
        "scope": "openid profile orders:read", "permissions": ["orders:export"], **TIMES,
    },
    "auth0|5f7c8ec7c33c6c004bbafe82", "my_client_id",
    frozenset(("openid", "profile", "orders:read", "orders:export")), frozenset(),
    {"an ID token": {"aud": "my_client_id", "nonce": "n", "scope": None}},
)  # fmt: skip
ENTRA = Shape(
    {"alg": "RS256", "typ": "JWT"},
    {
        "aud": "API-CLIENT-ID", "iss": "https://login.microsoftonline.com/TENANT-ID/v2.0", "iat": NOW - 10,
        "nbf": NOW - 10, "exp": NOW + 4000, "aio": "AXQAi/8", "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
        "azpacr": "1", "name": "Abe Lincoln", "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "preferred_username": "abeli@example.com", "rh": "I", "roles": ["Orders.Admin"],
        "scp": "Orders.Read Orders.Write",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "tid": "TENANT-ID", "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    },
    "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "6e74172b-be56-4843-9ff4-e66a39bb12e3",
    frozenset(("Orders.Read", "Orders.Write")), frozenset(("Orders.Admin",)),
    {
        "an ID token": {"aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "scp": None, "azp": None, "azpacr": None},
        "an ID token of the API's own sign-in": {"scp": None, "azp": None, "azpacr": None},
        "another tenant's": {"iss": "https://login.microsoftonline.com/OTHER/v2.0"},
    },
)  # fmt: skip
KEYCLOAK = Shape(
    {"alg": "RS256", "typ": "JWT"},
    {
        **TIMES, "jti": "trrtcc:5f9c", "iss": "https://keycloak.example.com/realms/REALM", "aud": ["orders", "account"],
        "sub": "f3b1a0c2-3b8e-4a1e-9d0a-7a1d5f0c2b11", "typ": "Bearer", "azp": "shop", "sid": "c0ffee", "acr": "1",
        "realm_access": {"roles": ["default-roles-realm", "analyst"]},
        "resource_access": {"orders": {"roles": ["orders-writer"]}, "account": {"roles": ["manage-account"]}},
        "scope": "openid profile orders:read", "preferred_username": "ada",
    },
    "f3b1a0c2-3b8e-4a1e-9d0a-7a1d5f0c2b11", "shop", frozenset(("openid", "profile", "orders:read")),
    frozenset(("default-roles-realm", "analyst", "orders-writer")),
    {"an ID token": {"typ": "ID", "aud": "orders"}, "a refresh token": {"typ": "Refresh"}},
)  # fmt: skip
COGNITO = Shape(
    {"alg": "RS256", "typ": None},
    {
        "sub": "aaaaaaaa-bbbb-cccc-dddd-example", "cognito:groups": ["admins"],
        "iss": "https://cognito-idp.REGION.amazonaws.com/POOL-ID", "version": 2, "client_id": "APP-CLIENT-ID",
        "origin_jti": "aaaaaaaa", "token_use": "access", "scope": "orders/read phone", "auth_time": NOW - 20,
        "username": "my-user", "jti": "bbbbbbbb", **TIMES,
    },
    "aaaaaaaa-bbbb-cccc-dddd-example", "APP-CLIENT-ID", frozenset(("orders/read", "phone")), frozenset(("admins",)),
    {
        "an ID token": {"token_use": "id", "aud": "APP-CLIENT-ID", "client_id": None},
        "another client's": {"client_id": "OTHER"},
        "one for another resource": {"aud": "https://elsewhere.example"},
    },
)  # fmt: skip
OKTA = Shape(
    {"alg": "RS256", "typ": None},
    {
        "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "iss": "https://ORG.okta.com/oauth2/default",
        "aud": "api://default", "sub": "ada@example.com", **TIMES, "cid": "nmdP1fcyvdVO11AL7ECm",
        "uid": "00ujmkLgagxeRrAg20g3", "scp": ["openid", "orders:read"], "groups": ["analyst"],
    },
    "ada@example.com", "nmdP1fcyvdVO11AL7ECm", frozenset(("openid", "orders:read")), frozenset(("analyst",)),
    {"an ID token": {"aud": "nmdP1fcyvdVO11AL7ECm", "at_hash": "x"}},
)  # fmt: skip
GOOGLE = Shape(
    {"alg": "RS256", "typ": "JWT"},
    {
        "iss": "https://accounts.google.com", "azp": "1234.apps.googleusercontent.com", "sub": "101234567890",
        "aud": "https://orders.example.com", "email": "batch@project.iam.gserviceaccount.com", "email_verified": True,
        **TIMES,
    },
    "101234567890", "1234.apps.googleusercontent.com", frozenset(), frozenset(),
    {"a web login's ID token": {"at_hash": "x", "nonce": "n"}, "one for somebody else": {"aud": "https://a.example"}},
)  # fmt: skip

SHAPES = {
    "Auth0": AUTH0, "Entra ID": ENTRA, "Keycloak": KEYCLOAK, "Cognito": COGNITO, "Okta": OKTA, "Google": GOOGLE,
}  # fmt: skip


def recipe(provider: str) -> dict[str, Any]:
    """The `[[issuers]]` table under the provider's heading."""
    section = PAGE.read_text("utf-8").partition(f"\n### {provider}\n")[2]
    block = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert block is not None
    (table,) = tomllib.loads(block[1])["issuers"]
    assert isinstance(table, dict)
    return table


def test_every_recipe_of_the_page_has_a_shape() -> None:
    page = PAGE.read_text("utf-8").partition("\n## Recipes\n")[2]
    assert re.findall(r"^### (.+)$", page, re.MULTILINE) == list(SHAPES)


@pytest.mark.parametrize("provider", SHAPES)
async def test_a_recipe_accepts_the_access_tokens_of_its_provider_and_nothing_else(
    provider: str, keys: TokenIssuer, start: Start, app: Echo, tmp_path: Path
) -> None:
    shape = SHAPES[provider]
    issuer = TokenIssuer(shape.claims["iss"], {"k-1": keys.keys["k-1"]})
    published = issuer.publish(tmp_path / "jwks.json")
    gateway = await start([recipe(provider) | {"jwks_file": str(published)}])

    def token(**changes: Any) -> str:
        absent = dict.fromkeys(issuer.claims(), None)
        return issuer.token(header=shape.header, **{**absent, **shape.claims, **changes})

    answer = await get(gateway, "/known", headers=bearer(token()))
    assert answer.status == 200, answer.problem
    user = app.last["user"]
    assert (user.subject, user.app_id) == (shape.subject, shape.app)
    assert (user.scopes, user.roles) == (shape.scopes, shape.roles)
    for number, (what, changes) in enumerate(shape.others.items()):
        client = (f"198.51.100.{number + 1}", 5000)
        refused = await get(gateway, "/known", headers=bearer(token(**changes)), client=client)
        assert refused.refusal == (401, "invalid_credential"), what
