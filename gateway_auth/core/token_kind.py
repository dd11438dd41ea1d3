"""Whether a token is an access token. Issuers sign ID, refresh, logout tokens and proofs with the same keys.

`typ` of the header decides where it says more than "JWT" (RFC 8725 section 3.11). A token without one is accepted only
where `Issuer.token_types` lists "". Where "jwt" or "" is listed the header tells one kind from another no longer, so
the claims that only other kinds carry do (section 3.12).
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway_auth.core.issuer import Issuer

# Of ID tokens; the last of logout tokens and security events (RFC 8417).
_OF_OTHERS = ("nonce", "at_hash", "c_hash", "s_hash", "events")
# Keycloak, Amazon Cognito and Ory Hydra, Django Simple JWT, Flask-JWT-Extended, in this order.
_KIND_CLAIMS = ("typ", "token_use", "token_type", "type")
_OTHER_KINDS = frozenset(("id", "id_token", "refresh", "refresh_token", "offline", "logout"))


def is_access_token(token_type: str | None, claims: Mapping[str, object], issuer: Issuer) -> bool:
    """Whether a signed token of this `typ` (lower-case, None when absent) is an access token of `issuer`."""
    if (token_type or "") not in issuer.token_types:
        return False
    if token_type is not None and token_type != "jwt":
        return True
    return not any(name in claims for name in _OF_OTHERS) and not names_other_kind(claims)


def names_other_kind(claims: Mapping[str, object]) -> bool:
    """Whether the claims say it is something else, in the words of a provider.

    Asked of introspected tokens too: an issuer may call a refresh token active (RFC 7662 section 2.1).
    """
    values = (claims.get(name) for name in _KIND_CLAIMS)
    return any(isinstance(value, str) and value.lower() in _OTHER_KINDS for value in values)
