"""The way of a token without a server: its form, the keys of its issuer, the signature, and what it claims."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from gateway_auth.adapters.issuers.signatures import hmac_key, public_keys
from gateway_auth.core.claims import Claims, Expired, check_claims
from gateway_auth.core.issuer import Algorithm, Issuer
from gateway_auth.core.jose import Rejected, parse_compact, split_jws
from gateway_auth.core.jwk import read_jwks
from gateway_auth.ports import VerificationKey

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
Jwk = dict[str, Any]


def published(keys: object, algorithms: Sequence[str] = ALGORITHMS) -> tuple[VerificationKey, ...]:
    """What an issuer that publishes this may be verified by: a document, or an object to be one."""
    document = keys.encode() if isinstance(keys, str) else json.dumps(keys).encode()
    made, _ = public_keys(read_jwks(document, algorithms).usable)
    return made


def agreed(keys: Sequence[Jwk]) -> tuple[VerificationKey, ...]:
    """Shared secrets, as a configuration could hold them: one algorithm each, and one of each name."""
    names = [key.get("kid") for key in keys]
    made = []
    for key in keys:
        secret = base64.urlsafe_b64decode(key["k"] + "==")
        is_for_signatures = key.get("use", "sig") == "sig" and "verify" in key.get("key_ops", ["verify"])
        if is_for_signatures and names.count(key.get("kid")) == 1:
            try:
                made.append(hmac_key(secret, key["alg"], key.get("kid")))
            except ValueError:
                continue
    return tuple(made)


def keys_of(jwks: dict[str, Any], algorithms: Sequence[str] = ALGORITHMS) -> tuple[VerificationKey, ...]:
    """The keys of a set of vectors: nothing but secrets are agreed ones, everything else is published."""
    keys = jwks["keys"]
    return agreed(keys) if all(key["kty"] == "oct" for key in keys) else published(jwks, algorithms)


def select(keys: Sequence[VerificationKey], algorithm: str, key_id: str | None) -> list[VerificationKey]:
    """Those that a token of this header could have been signed with."""
    return [key for key in keys if key.algorithm == algorithm and key_id in (None, key.key_id)]


def is_signed(presented: bytes, keys: Sequence[VerificationKey]) -> bool:
    """The JWS layer: whether one of the keys made this, whatever the payload."""
    jws = split_jws(presented)
    if isinstance(jws, Rejected):
        return False
    chosen = select(keys, jws.header.algorithm, jws.header.key_id)
    return any(key.verify(jws.signing_input, jws.signature) for key in chosen)


def judge(
    presented: bytes, issuers: Mapping[str, tuple[Issuer, Sequence[VerificationKey]]], now: float
) -> Claims | Rejected | Expired | None:
    """The claims of a good token, why it is none, or None where no key made it."""
    token = parse_compact(presented)
    if isinstance(token, Rejected):
        return token
    name = token.unverified_claims.get("iss")
    if not isinstance(name, str) or name not in issuers:
        return None
    issuer, keys = issuers[name]
    chosen = select(keys, token.algorithm, token.key_id)
    if not any(key.verify(token.signing_input, token.signature) for key in chosen):
        return None
    return check_claims(token, issuer, now)
