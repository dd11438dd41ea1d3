"""Shared secrets that are too short, too uniform or known to everybody are named so before anything is started."""

from __future__ import annotations

import base64
import secrets
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.weak_secrets import explain_weak_secret

KNOWN = {
    "of a tutorial": b"reallyreallyreallyreallyverysafe",
    "of a template": b"<random_string_at_least_32_characters_long>",
    "random once": b"r9iMKoe5CRMgvJBBtp4HrqN7QiPpUToj",
    "with blanks around": b" r9iMKoe5CRMgvJBBtp4HrqN7QiPpUToj\n",
    "of the jwt.io debugger": b"a-string-secret-at-least-256-bits-long",
    "of RFC 7515": b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    "of RFC 7515, its bytes": base64.urlsafe_b64decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow=="
    ),
    "of RFC 7520, its bytes": base64.urlsafe_b64decode("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg="),
}


@pytest.mark.parametrize("secret", KNOWN.values(), ids=KNOWN)
def test_a_known_secret_is_weak(secret: bytes) -> None:
    assert explain_weak_secret(secret, "HS256") == "is in a public list of known secrets"


@pytest.mark.parametrize(("algorithm", "needed"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash(algorithm: str, needed: int) -> None:
    secret = secrets.token_bytes(needed)
    assert explain_weak_secret(secret, algorithm) is None
    assert (
        explain_weak_secret(secret[1:], algorithm)
        == f"is {needed - 1} bytes long and {algorithm} needs at least {needed}"
    )
    assert explain_weak_secret(b"", algorithm) is not None


@pytest.mark.parametrize(
    "secret", [b"a" * 64, b"ab" * 40, bytes(64), b"abcdefg" * 10, b"abcdefgh" * 8, b"0123456789" * 7]
)
def test_a_secret_that_repeats_itself_is_weak(secret: bytes) -> None:
    assert "repeats itself" in str(explain_weak_secret(secret, "HS256"))


@pytest.mark.parametrize("algorithm", ["RS256", "none", "", "hs256"])
def test_only_hmac_algorithms_take_a_secret(algorithm: str) -> None:
    assert "not an HMAC algorithm" in str(explain_weak_secret(secrets.token_bytes(64), algorithm))


@pytest.mark.parametrize("alphabet", [string.hexdigits[:16], string.ascii_letters + string.digits, string.digits])
def test_a_random_secret_of_any_alphabet_is_good(alphabet: str) -> None:
    secret = "".join(secrets.choice(alphabet) for _ in range(96)).encode()
    assert explain_weak_secret(secret, "HS512") is None


@given(st.binary(max_size=100))
def test_an_explanation_holds_nothing_of_the_secret(secret: bytes) -> None:
    explanation = explain_weak_secret(secret, "HS256")
    assert explanation is None or len(secret) < 8 or secret.decode("latin-1") not in explanation
