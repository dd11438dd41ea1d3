"""From a published key set to keys that verify: what cannot be used is left out and told, the others work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from gateway_auth.adapters.issuers.signatures import public_keys
from gateway_auth.core.jwk import read_jwks
from gateway_auth.ports import VerificationKey

logger = logging.getLogger("gateway_auth.issuers")


def key_set_reader(issuer_id: str, algorithms: Sequence[str]) -> Callable[[bytes], Sequence[VerificationKey]]:
    """A function that reads documents of one issuer. It raises ValueError for what is no key set."""

    def read(document: bytes) -> Sequence[VerificationKey]:
        reading = read_jwks(document, algorithms)
        if reading.refused is not None:
            raise ValueError(reading.refused)
        keys, unmade = public_keys(reading.usable)
        for name, why in (*reading.skipped, *unmade):
            logger.warning("issuer %s: its key %s is not used: %s", issuer_id, ascii(name), why)
        return keys

    return read
