"""From `[[issuers]]` tables to what tokens are judged by and where keys come from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gateway_auth.config.configuration import IntrospectionSettings, IssuerSettings
from gateway_auth.config.keyring import IssuerSecrets
from gateway_auth.config.schema_issuers import IntrospectionTable, IssuerTable, has_keys, is_discovered
from gateway_auth.config.secret import Secret
from gateway_auth.core.credential import CredentialKind
from gateway_auth.core.issuer import Issuer


def compile_issuer(table: IssuerTable, secrets: IssuerSecrets, folder: Path) -> IssuerSettings:
    """One issuer of a table in which no problem was found."""
    jwks_file = str(folder / table.jwks_file) if table.jwks_file is not None else None
    return IssuerSettings(
        rules=_rules(table),
        is_discovered=is_discovered(table),
        jwks_url=table.jwks_url,
        jwks_file=jwks_file,
        secret=secrets.secret,
        introspection=_introspection(table.introspection, secrets.client_secret),
        keys_max_age_seconds=table.keys_max_age_seconds,
    )


def kinds_of(issuers: Iterable[IssuerSettings]) -> frozenset[CredentialKind]:
    """The kinds of credentials that can be verified: what a route accepts that names none."""
    kinds: set[CredentialKind] = {"api_key"}
    for settings in issuers:
        if settings.rules.has_keys:
            kinds.add("jwt")
        if settings.rules.is_introspected:
            kinds.add("opaque")
    return frozenset(kinds)


def _rules(table: IssuerTable) -> Issuer:
    return Issuer(
        id=table.id,
        issuer=table.issuer,
        audiences=frozenset(table.audiences),
        audience_claims=tuple(table.audience_claims),
        algorithms=tuple(table.algorithms),
        token_types=frozenset(text.lower().removeprefix("application/") for text in table.token_types),
        scope_claims=tuple(table.scope_claims),
        role_claims=tuple(table.role_claims),
        required_claims=tuple(table.required_claims),
        leeway_seconds=table.leeway_seconds,
        max_lifetime_seconds=table.max_lifetime_seconds,
        has_keys=has_keys(table),
        is_introspected=table.introspection is not None,
    )


def _introspection(table: IntrospectionTable | None, secret: Secret | None) -> IntrospectionSettings | None:
    if table is None or secret is None:
        return None
    return IntrospectionSettings(
        url=table.url,
        client_id=table.client_id,
        client_secret=secret,
        cache_seconds=table.cache_seconds,
        negative_cache_seconds=table.negative_cache_seconds,
    )
