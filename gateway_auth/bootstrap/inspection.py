"""Verifies one token's signature for an operator: the keys of its issuer are fetched for it and forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from gateway_auth.adapters.system import SystemClock
from gateway_auth.bootstrap.tokens import open_issuers
from gateway_auth.config.configuration import IssuerSettings
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.jose import UnverifiedToken
from gateway_auth.engine.keyset import KeySet, NoSuchKey
from gateway_auth.errors import IssuerUnavailable
from gateway_auth.lifecycle.inspect_token import Unchecked, Verify


def signature_verifier(issuers: Sequence[IssuerSettings]) -> Verify:
    """A function that says whether a key of the issuer made a token's signature, where that can be told."""

    async def verify(token: UnverifiedToken, issuer: Issuer) -> bool | Unchecked:
        (source,) = open_issuers([each for each in issuers if each.rules.id == issuer.id], SystemClock())
        try:
            if source.keys is None:
                return Unchecked("it was not verified: the configuration names no keys of the issuer")
            key = KeySet(await source.keys.fetch()).find(token.algorithm, token.key_id)
        except IssuerUnavailable as error:
            return Unchecked(f"it was not verified: {error}")
        finally:
            if source.close is not None:
                await source.close()
        return key is not None and not isinstance(key, NoSuchKey) and key.verify(token.signing_input, token.signature)

    return verify
