"""What operators write about issuers of tokens and about Redis."""

from __future__ import annotations

from pydantic import Field

from gateway_auth.config.schema_routes import Table
from gateway_auth.config.values import IssuerAddress, Name, RedisUrl, Reference, Text, TokenType, WebAddress
from gateway_auth.core.issuer import Algorithm


class IntrospectionTable(Table):
    """Asking the issuer about opaque tokens (RFC 7662)."""

    url: WebAddress = Field(description="The introspection endpoint.", examples=["https://idp.example.com/introspect"])
    client_id: Text = Field(description="Who asks.", examples=["gateway"])
    client_secret: Reference = Field(
        description="The secret of `client_id`, as a reference.", examples=["env:INTROSPECTION_SECRET"]
    )
    cache_seconds: int = Field(default=30, ge=0, le=300, description="How long an active answer is kept.")
    negative_cache_seconds: int = Field(default=5, ge=0, le=60, description="How long an inactive answer is kept.")


class IssuerTable(Table):
    """One issuer whose tokens are accepted."""

    id: Name = Field(description="Its name in logs, metrics and messages.", examples=["corp"])
    issuer: IssuerAddress = Field(description="The exact `iss` of its tokens.", examples=["https://idp.example.com"])
    audiences: list[Text] = Field(min_length=1, description="One of these must be in `aud`.", examples=[["orders"]])
    audience_claims: list[Text] = Field(
        default=["aud"],
        min_length=1,
        description="Claims that hold audiences: the first that is present counts. For providers without `aud`.",
    )
    algorithms: list[Algorithm] = Field(
        default=["RS256", "ES256"], min_length=1, description="Exact allow list of signature algorithms."
    )
    discovery: bool | None = Field(
        default=None,
        description="Find the key set by the issuer's metadata. True unless another source is given.",
    )
    jwks_url: WebAddress | None = Field(default=None, description="Where the key set is.")
    jwks_file: Text | None = Field(default=None, description="A file with the key set, relative to this file.")
    secret: Reference | None = Field(default=None, description="The shared secret of HMAC tokens, as a reference.")
    introspection: IntrospectionTable | None = Field(default=None, description="Ask about opaque tokens.")
    token_types: list[TokenType] = Field(
        default=["at+jwt"],
        min_length=1,
        description='Accepted `typ`; add "JWT" where RFC 9068 is not followed, and "" where tokens name no type.',
    )
    scope_claims: list[Text] = Field(default=["scope", "scp"], description="Claims that hold scopes.")
    role_claims: list[Text] = Field(
        default=["roles", "realm_access.roles"], description="Claims that hold roles; a dot goes inside."
    )
    required_claims: list[Text] = Field(default=[], description="Claims that must be present.")
    leeway_seconds: int = Field(default=30, ge=0, le=60, description="How far clocks may differ.")
    max_lifetime_seconds: int = Field(
        default=86400, ge=1, le=31_536_000, description="Tokens that live longer are refused."
    )
    keys_max_age_seconds: int = Field(
        default=3600,
        ge=60,
        le=604_800,
        description="How long the last good key set serves while a newer one cannot be had; then 503.",
    )


def is_discovered(table: IssuerTable) -> bool:
    """Whether the key set is found by the issuer's metadata: told so, or nothing else says where keys are."""
    if table.discovery is not None:
        return table.discovery
    return not (table.jwks_url or table.jwks_file or table.secret or table.introspection)


def has_keys(table: IssuerTable) -> bool:
    """Whether signed tokens of it are verified here."""
    return bool(table.jwks_url or table.jwks_file or table.secret) or is_discovered(table)


class RedisTable(Table):
    """Caches and limits shared by workers and nodes."""

    url: RedisUrl = Field(
        description="`redis://`, `rediss://`, `redis+sentinel://` or `redis+cluster://`.",
        examples=["redis://127.0.0.1:6379/0"],
    )
    timeout_seconds: float = Field(
        default=0.05, gt=0, le=5, allow_inf_nan=False, description="How long a command may take."
    )
    key_prefix: Name = Field(default="gwa", description="What every key in Redis begins with.")
