"""Whether an HMAC secret is too weak to verify tokens by: too short, made of little, or known to everybody.

It is asked when a configuration is loaded, and knows neither where a secret comes from nor what it is for.
"""

from __future__ import annotations

from base64 import b64decode, b64encode, urlsafe_b64encode
from hashlib import sha256

from gateway_auth.core.keyhash import MIN_DISTINCT_BYTES

MIN_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""RFC 7518 section 3.2: a secret is at least as long as the hash."""

_PUBLISHED = frozenset(
    (
        b"a-string-secret-at-least-256-bits-long",  # the jwt.io debugger, as are the next two
        b"a-valid-string-secret-that-is-at-least-384-bits-long",
        b"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
        b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",  # RFC 7515 A.1
        b"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",  # RFC 7520 section 3.5
    )
)


def explain_weak_secret(secret: bytes, algorithm: str) -> str | None:
    """Why `secret` must not verify tokens of this HMAC algorithm, or None. The answer holds nothing of the secret."""
    needed = MIN_SECRET_BYTES.get(algorithm)
    if needed is None:
        return f"cannot be used with {algorithm}, which is not an HMAC algorithm"
    if len(secret) < needed:
        return f"is {len(secret)} bytes long and {algorithm} needs at least {needed}"
    if len(set(secret)) < MIN_DISTINCT_BYTES:
        return f"repeats itself: fewer than {MIN_DISTINCT_BYTES} different bytes"
    if secret in (secret + secret)[1:-1]:
        return "repeats itself: the same bytes over and over"
    if _is_known(secret):
        return "is in a public list of known secrets"
    return None


def _is_known(secret: bytes) -> bool:
    """Whether the secret, without blanks around it, or the base64 text it may be the bytes of, is known."""
    # Imported here: only a configuration with a shared secret needs the list.
    from gateway_auth.core.known_secrets import DIGEST_BYTES, KNOWN

    known = b64decode(KNOWN)
    digests = {known[start : start + DIGEST_BYTES] for start in range(0, len(known), DIGEST_BYTES)}
    spellings = (secret, secret.strip(), b64encode(secret), urlsafe_b64encode(secret).rstrip(b"="))
    return any(text in _PUBLISHED or sha256(text).digest()[:DIGEST_BYTES] in digests for text in spellings)
