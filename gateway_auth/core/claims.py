"""Whether the claims of a token make it one for us, now; and the principal they name. It knows no keys.

The caller verifies the signature first and asks afterwards: `Expired` tells a client that its token was good once,
which only somebody who presented a genuine one may learn. It is the answer when nothing else is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType

from msgspec import Struct

from gateway_auth.core.grants import find_claim, roles_in, scopes_in
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.jose import Rejected, UnverifiedToken, WhyRejected
from gateway_auth.core.principal import Principal, build_principal
from gateway_auth.core.roles import expand_roles
from gateway_auth.core.times import Times, check_times
from gateway_auth.core.token import VerifiedToken, token_digest
from gateway_auth.core.token_kind import is_access_token, names_other_kind

MAX_NAME = 255
"""The longest subject, client or token id: RFC 9068 names no bound, OpenID Connect section 2 this one for `sub`."""


class Claims(Struct, frozen=True):
    """Claims that were checked, of a token that was verified. `scopes` are as granted, before roles are expanded."""

    subject: str
    app_id: str | None
    display_name: str
    token_id: str | None
    times: Times
    scopes: frozenset[str]
    roles: frozenset[str]
    all: Mapping[str, object]


class Expired(Struct, frozen=True):
    """A genuine token whose time is over; otherwise it was good."""


_EXPIRED = Expired()
_ABSENT = object()
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]").search
_CLIENT_CLAIMS = ("client_id", "azp", "appid", "cid")
_NAME_CLAIMS = ("name", "preferred_username", "username")


def check_claims(verified: UnverifiedToken, issuer: Issuer, now: float) -> Claims | Rejected | Expired:
    """The claims of a token whose signature a key of `issuer` has confirmed."""
    claims = verified.unverified_claims
    if not is_access_token(verified.token_type, claims, issuer):
        return Rejected("token_kind")
    wrong = _explain_foreign(claims, issuer)
    if wrong is not None:
        return Rejected(wrong)
    return _read(claims, _name(claims.get("sub")), issuer, check_times(claims, issuer, now, must_end=True))


def check_introspected(claims: Mapping[str, object], issuer: Issuer, now: float) -> Claims | Rejected | Expired:
    """The claims an issuer gave for an opaque token (RFC 7662 section 2.2).

    It was asked over a trusted connection, so `iss`, an audience and `exp` may be missing; they must be right where
    they are there. A token that nobody stands behind (client credentials) has its client as its subject.
    """
    if names_other_kind(claims):
        return Rejected("token_kind")
    token_type = claims.get("token_type")
    if isinstance(token_type, str) and token_type.lower() == "dpop":
        return Rejected("sender_constrained")  # RFC 9449 section 7.2, also where the answer leaves out `cnf`.
    wrong = _explain_foreign(claims, issuer, may_be_silent=True)
    if wrong is not None:
        return Rejected(wrong)
    subject = _name(_first_present(claims, ("sub", "client_id")))
    return _read(claims, subject, issuer, check_times(claims, issuer, now, must_end=False))


def principal_of(
    claims: Claims, issuer: Issuer, scopes_of: Mapping[str, tuple[str, ...]], method: str = "jwt"
) -> Principal:
    """The principal the claims name; `scopes_of` tells what its roles stand for."""
    return build_principal(
        subject=claims.subject,
        method=method,
        scopes=expand_roles(claims.scopes, claims.roles, scopes_of),
        roles=claims.roles,
        app_id=claims.app_id,
        display_name=claims.display_name,
        claims=claims.all,
        issuer_id=issuer.id,
    )


def build_token(
    verified: UnverifiedToken, claims: Claims, issuer: Issuer, scopes_of: Mapping[str, tuple[str, ...]]
) -> VerifiedToken:
    """What is remembered of a signed token that was verified and checked."""
    digest = sha256(verified.signing_input).digest()  # as `token_digest` has it
    return _remembered(
        claims, issuer, principal_of(claims, issuer, scopes_of), digest, verified.key_id, verified.algorithm
    )


def build_opaque(
    presented: bytes, claims: Claims, issuer: Issuer, scopes_of: Mapping[str, tuple[str, ...]]
) -> VerifiedToken:
    """What is remembered of an opaque token for which its issuer vouched."""
    return _remembered(claims, issuer, principal_of(claims, issuer, scopes_of, "opaque"), token_digest(presented))


def _remembered(
    claims: Claims,
    issuer: Issuer,
    principal: Principal,
    digest: bytes,
    key_id: str | None = None,
    algorithm: str = "",
) -> VerifiedToken:
    return VerifiedToken(
        principal=principal,
        issuer_id=issuer.id,
        issuer=issuer.issuer,
        subject=claims.subject,
        token_id=claims.token_id,
        issued_at=claims.times.issued_at,
        usable_from=claims.times.usable_from,
        usable_until=claims.times.usable_until,
        digest=digest,
        key_id=key_id,
        algorithm=algorithm,
    )


def _explain_foreign(
    claims: Mapping[str, object], issuer: Issuer, *, may_be_silent: bool = False
) -> WhyRejected | None:
    """Whether the claims are of another issuer, for another audience, for another sender, or lack what is required."""
    if claims.get("iss") != issuer.issuer and not (may_be_silent and "iss" not in claims):
        return "issuer"
    audience = _first_present(claims, issuer.audience_claims)
    if not (may_be_silent if audience is _ABSENT else _names_us(audience, issuer)):
        return "audience"
    if "cnf" in claims:
        # Bound to a key of its sender (RFC 9449 section 7.2, RFC 8705 section 3), of which nothing here asks a proof.
        return "sender_constrained"
    for path in issuer.required_claims:
        if find_claim(claims, path) is None:
            return "required_claim"
    return None


def _names_us(audience: object, issuer: Issuer) -> bool:
    """RFC 7519 section 4.1.3: one string, or an array of nothing but strings. Compared as they are."""
    if isinstance(audience, str):
        return audience in issuer.audiences
    if not isinstance(audience, list) or not all(isinstance(name, str) for name in audience):
        return False
    return not issuer.audiences.isdisjoint(audience)


def _read(
    claims: Mapping[str, object], subject: str | None, issuer: Issuer, times: Times | WhyRejected
) -> Claims | Rejected | Expired:
    """The claims that remain, then the times: `Expired` only of a token with which nothing else is wrong."""
    if subject is None:
        return Rejected("subject")
    token_id = _name(claims.get("jti"))
    if token_id is None and "jti" in claims:
        return Rejected("token_id")
    scopes, roles = scopes_in(claims, issuer.scope_claims), roles_in(claims, issuer.role_claims)
    if scopes is None or roles is None:
        return Rejected("too_many_scopes")
    if isinstance(times, str):
        return Rejected(times)
    if times.is_over:
        return _EXPIRED
    app_id, display_name = _first_name(claims, _CLIENT_CLAIMS), _first_name(claims, _NAME_CLAIMS)
    read_only = MappingProxyType(claims)
    return Claims(subject, app_id, display_name or "", token_id, times, scopes, roles, read_only)


def _first_present(claims: Mapping[str, object], names: tuple[str, ...]) -> object:
    """The first of these claims that is there at all."""
    for name in names:
        if name in claims:
            return claims[name]
    return _ABSENT


def _first_name(claims: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    """The first of these claims that can be a name."""
    for name in names:
        found = _name(claims.get(name))
        if found is not None:
            return found
    return None


def _name(value: object) -> str | None:
    """`value` when it can stand for somebody or something: 1 to 255 characters that end no line."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        return None
    return value if value.isprintable() or not _CONTROL(value) else None
