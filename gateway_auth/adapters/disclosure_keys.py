"""The public keys that reports of leaked secrets are signed with, as GitHub publishes them. It fetches nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import Struct

from gateway_auth.core.disclosure import ALGORITHM
from gateway_auth.core.strict_json import parse_object
from gateway_auth.ports import VerificationKey

logger = logging.getLogger("gateway_auth.disclosure")

MAX_KEYS = 100
MAX_PEM_CHARACTERS = 4096
_SCHEME = ec.ECDSA(SHA256())


class DisclosureKey(Struct, frozen=True):
    """ports.VerificationKey of signatures in DER (X9.62), as the partner program has them."""

    key_id: str | None
    public: ec.EllipticCurvePublicKey
    algorithm: str = ALGORITHM

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether this key made this signature. Never raises, whatever the bytes are."""
        try:
            self.public.verify(signature, signing_input, _SCHEME)
        except Exception:  # noqa: BLE001 - a verifier answers "no" to whatever it does not understand
            return False
        return True


def read_disclosure_keys(document: bytes) -> Sequence[VerificationKey]:
    """The usable keys of `{"public_keys": [{"key_identifier", "key", "is_current"}]}`; others are left out.

    One that is not current any more still verifies as long as it is published: reports may be under way. Raises
    ValueError for what is no such document.
    """
    published = (parse_object(document) or {}).get("public_keys")
    if not isinstance(published, list) or len(published) > MAX_KEYS:
        raise ValueError(f'is no object with "public_keys", a list of at most {MAX_KEYS}')
    keys = [key for one in published if (key := _key(one)) is not None]
    if len(keys) < len(published):
        logger.warning("%d of %d published keys are not used: no P-256 key", len(published) - len(keys), len(published))
    return keys


def _key(value: object) -> DisclosureKey | None:
    key_id, pem = (value.get("key_identifier"), value.get("key")) if isinstance(value, dict) else (None, None)
    if not (isinstance(key_id, str) and key_id and isinstance(pem, str) and len(pem) <= MAX_PEM_CHARACTERS):
        return None
    try:
        public = load_pem_public_key(pem.encode("ascii"))
    except Exception:  # noqa: BLE001 - whatever the library dislikes about a key makes it unusable
        return None
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        return None
    return DisclosureKey(key_id, public)
