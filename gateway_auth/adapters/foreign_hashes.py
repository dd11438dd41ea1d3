"""Compares a text with a slow hash made elsewhere. Takes as long as whoever made it wanted: never on the event loop."""

from __future__ import annotations

from gateway_auth.core.imported import SlowHash
from gateway_auth.errors import StoreUnavailable

BCRYPT_MAX_BYTES = 72
"""bcrypt looks at no more of a text: of a longer one, all that begin alike would be the same key."""


def verify_slow_hash(kind: SlowHash, stored: str, presented: bytes) -> bool:
    """Whether `stored` is a hash of this kind of `presented`. Raises StoreUnavailable without the kind's library."""
    try:
        return _verify_bcrypt(stored, presented) if kind == "bcrypt" else _verify_argon2id(stored, presented)
    except ImportError as error:
        raise StoreUnavailable(f"imported keys hashed with {kind} need another library: {error}") from error


def _verify_bcrypt(stored: str, presented: bytes) -> bool:
    import bcrypt

    if len(presented) > BCRYPT_MAX_BYTES:
        return False
    try:
        return bool(bcrypt.checkpw(presented, stored.encode("ascii")))
    except Exception:  # noqa: BLE001 - whatever the library finds wrong with a hash, nothing is proven by it
        return False


def _verify_argon2id(stored: str, presented: bytes) -> bool:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id.verify_phc_encoded(presented, stored)
    except Exception:  # noqa: BLE001 - whatever the library finds wrong with a hash, nothing is proven by it
        return False
    return True
