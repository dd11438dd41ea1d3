"""What an operator is told about each reason to refuse a token. Words only: `core` decides."""

from __future__ import annotations

from msgspec import Struct

from gateway_auth.core.issuer import Issuer


class ClaimCheck(Struct, frozen=True):
    """A check of claims, in the order of `core.claims`: what it refuses for, and what it means that it passed."""

    name: str
    reasons: tuple[str, ...]
    passed: str


CHECKS = (
    ClaimCheck("kind", ("token_kind",), "it is an access token"),
    ClaimCheck("audience", ("issuer", "audience"), "it is for this gateway"),
    ClaimCheck("sender", ("sender_constrained",), "it is bound to no key of its sender"),
    ClaimCheck("required claims", ("required_claim",), "they are there"),
    ClaimCheck("subject", ("subject",), "it names one"),
    ClaimCheck("token id", ("token_id",), "it can be used, or there is none"),
    ClaimCheck("scopes", ("too_many_scopes",), "they can be read"),
    ClaimCheck("times", ("time", "not_yet_valid", "lifetime", "expired"), "it has begun and is not over"),
)

_WHY = {
    # the form of the token
    "size": "it is too long",
    "form": "it has not three parts",
    "encoding": "a part is not base64url, or not in its one spelling",
    "header": "its header is no JSON object, or is ambiguous",
    "algorithm": 'its "alg" is no algorithm the gateway knows, such as "none"',
    "key_id": 'its "kid" cannot name a key',
    "token_type": 'its "typ" is no media type',
    "extension": 'its header has "crit" or "b64", which no gateway may ignore',
    "payload": "its claims are no JSON object, or are ambiguous",
    # what it claims
    "issuer": "its iss is another one",
    "audience": "{audience_claims} names none of {audiences}",
    "time": "exp is missing, or exp, nbf or iat is no time that can be",
    "not_yet_valid": "its nbf has not come yet",
    "lifetime": "it lives longer than {max_lifetime_seconds} s",
    "expired": "its exp has passed",
    "subject": "its sub names nobody",
    "token_id": "its jti cannot be used as a name",
    "required_claim": "one of {required_claims} is missing",
    "sender_constrained": "it is bound to a key of its sender (cnf), of which the gateway asks no proof",
    "token_kind": "its typ, or a claim, says that it is no access token; accepted typ: {token_types}",
    "too_many_scopes": "there are too many scopes or roles",
}


def why_words(why: str, issuer: Issuer | None = None) -> str:
    """What `why` means for a token, of this issuer where that is known."""
    if issuer is None:
        return _WHY[why]
    return _WHY[why].format(
        audience_claims=" or ".join(issuer.audience_claims),
        audiences=", ".join(sorted(issuer.audiences)),
        max_lifetime_seconds=issuer.max_lifetime_seconds,
        required_claims=", ".join(issuer.required_claims),
        token_types=", ".join(sorted(name or "none" for name in issuer.token_types)),
    )
