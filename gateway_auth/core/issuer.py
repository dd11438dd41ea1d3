"""An issuer of tokens, compiled: whose tokens are accepted and what they must say. It knows no keys and no network."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
    "HS256", "HS384", "HS512",
]  # fmt: skip


class Issuer(Struct, frozen=True, kw_only=True):
    """One `[[issuers]]` table.

    `issuer` is the exact `iss`. `algorithms` is the exact allow list, in the order written: a published key that names
    no algorithm is bound to the first that fits its type. `token_types` are lower-case and without `application/`;
    an empty one stands for tokens that name no type.
    A claim path is looked up whole first (`https://example.com/roles`), then inside (`realm_access.roles`).
    `has_keys` tells whether signed tokens are verified here, `is_introspected` whether the issuer is asked.
    """

    id: str
    issuer: str
    audiences: frozenset[str]
    algorithms: tuple[Algorithm, ...] = ("RS256", "ES256")
    audience_claims: tuple[str, ...] = ("aud",)
    token_types: frozenset[str] = frozenset(("at+jwt",))
    scope_claims: tuple[str, ...] = ("scope", "scp")
    role_claims: tuple[str, ...] = ("roles", "realm_access.roles")
    required_claims: tuple[str, ...] = ()
    leeway_seconds: int = 30
    max_lifetime_seconds: int = 86400
    has_keys: bool = True
    is_introspected: bool = False
