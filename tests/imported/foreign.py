"""Keys of another system, and what it may have kept of them."""

from __future__ import annotations

import hashlib
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

Entry = dict[str, str]
BCRYPT_HEAD = "$2b$04$"


def text(name: str) -> str:
    """The key of a name: what its owner sends."""
    return f"sk_{name}_0123456789abcdefghijk"


def argon2id(key: str, *, kib: int = 64) -> str:
    """A hash that takes no time to speak of."""
    hasher = Argon2id(salt=b"0123456789abcdef", length=32, iterations=1, lanes=1, memory_cost=kib)
    return hasher.derive_phc_encoded(key.encode())


def bcrypt_hash(key: str) -> str:
    """Of the real library where it is installed, else of what stands in for it."""
    import bcrypt

    return str(bcrypt.hashpw(key.encode(), bcrypt.gensalt(4)).decode())


def _slow(kind: str, hasher: Callable[[str], str]) -> Callable[[str], Entry]:
    return lambda key: {"hash": hasher(key), "hash_kind": kind, "start": key[:10]}


def _fast(kind: str, encode: Callable[[bytes], str]) -> Callable[[str], Entry]:
    return lambda key: {"hash": encode(hashlib.new(kind, key.encode()).digest()), "hash_kind": kind}


KEPT: dict[str, Callable[[str], Entry]] = {
    "raw": lambda key: {"key": key},
    "sha256-hex": _fast("sha256", bytes.hex),
    "sha256-base64": _fast("sha256", lambda digest: b64encode(digest).decode()),
    "sha256-base64url": _fast("sha256", lambda digest: urlsafe_b64encode(digest).decode().rstrip("=")),
    "sha512-hex": _fast("sha512", lambda digest: digest.hex().upper()),
    "sha512-base64": _fast("sha512", lambda digest: b64encode(digest).decode()),
    "bcrypt": _slow("bcrypt", bcrypt_hash),
    "argon2id": _slow("argon2id", argon2id),
}
"""What is kept, by a name for it, and the entry that says so."""


def provide_bcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put something in the place of the library where it is not installed: the same functions, hashing otherwise."""
    if find_spec("bcrypt") is not None:
        return
    stand_in = ModuleType("bcrypt")
    stand_in.__spec__ = ModuleSpec("bcrypt", None)

    def hashpw(key: bytes, salt: bytes) -> bytes:
        return salt + hashlib.sha256(salt + key).hexdigest()[: 60 - len(salt)].encode()

    stand_in.gensalt = lambda _cost: BCRYPT_HEAD.encode() + b"." * 22  # type: ignore[attr-defined]
    stand_in.hashpw = hashpw  # type: ignore[attr-defined]
    stand_in.checkpw = lambda key, kept: hashpw(key, kept[:29]) == kept  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bcrypt", stand_in)
