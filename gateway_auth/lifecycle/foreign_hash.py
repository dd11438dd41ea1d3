"""What another system has kept of a key, as somebody exported it: read, weighed, refused with advice. Pure."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode

from msgspec import Struct

from gateway_auth.core.imported import (
    MAX_START,
    MAX_TEXT_BYTES,
    MIN_START,
    MIN_TEXT_BYTES,
    FastHash,
    SlowHash,
    hash_message,
    may_be_imported,
    start_message,
    text_message,
)
from gateway_auth.core.keyformat import ADMIN_MARKER, KeyFormat
from gateway_auth.errors import InvalidInput

HASH_KINDS = ("sha256", "sha512", "bcrypt", "argon2id")
MAX_BCRYPT_COST = 14
MAX_ARGON2_KIB, MAX_ARGON2_PASSES, MAX_ARGON2_LANES = 256 * 1024, 10, 16
"""What one comparison may take: more would let whoever knows the start of a key keep the gateway busy."""

_BYTES = {"sha256": 32, "sha512": 64}
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./0-9A-Za-z]{53}")
_ARGON2ID = re.compile(
    r"\$argon2id\$v=19\$m=([0-9]{1,8}),t=([0-9]{1,4}),p=([0-9]{1,3})\$[0-9A-Za-z+/]{11,86}\$[0-9A-Za-z+/]{22,86}"
)
_START = re.compile(rf"[!-~]{{{MIN_START},{MAX_START}}}")


class ForeignProof(Struct, frozen=True):
    """How a key is found (`message`, to be digested) and proven: by its text, or by a hash of some kind."""

    message: bytes
    text: bytes | None = None
    hash_kind: FastHash | SlowHash | None = None
    hash: str = ""

    def __repr__(self) -> str:
        return f"ForeignProof(hash_kind={self.hash_kind!r})"


def proof_of_text(text: str, key_format: KeyFormat) -> ForeignProof:
    """Of a key that is there as it is. Raises InvalidInput."""
    encoded = text.encode("utf-8", "surrogatepass")
    if encoded.startswith(ADMIN_MARKER):
        raise InvalidInput("key", "is a token of an admin, which is never an API key; make a key with `keys create`")
    if not may_be_imported(encoded):
        advice = "shorter ones can be guessed: give their owners new keys"
        raise InvalidInput("key", f"must be {MIN_TEXT_BYTES} to {MAX_TEXT_BYTES} visible ASCII characters; {advice}")
    if encoded.startswith(key_format.marker):
        raise InvalidInput(
            "key", f"begins with {key_format.prefix}_ as the keys of this gateway do; move its store instead"
        )
    return ForeignProof(text_message(encoded), text=encoded)


def proof_of_hash(kind: str, written: str, start: str) -> ForeignProof:
    """Of a key of which a hash is known, without salt but for slow kinds. Raises InvalidInput."""
    match kind:
        case "sha256" | "sha512":
            return ForeignProof(hash_message(kind, _decoded(written, _BYTES[kind])), hash_kind=kind)
        case "bcrypt" | "argon2id":
            _check_cost(kind, written)
            return _proof_by_start(kind, written, start)
        case _:
            known = ", ".join(HASH_KINDS)
            raise InvalidInput("hash_kind", f"must be one of {known}, in a column hash_kind or by --hash")


def _proof_by_start(kind: SlowHash, written: str, start: str) -> ForeignProof:
    if not _START.fullmatch(start):
        why = f"{kind} finds no key by its text, so the first {MIN_START} to {MAX_START} characters of it are needed"
        raise InvalidInput("start", f"{why}; where they were not kept, give the owner a new key")
    return ForeignProof(start_message(start.encode()), hash_kind=kind, hash=written)


def _decoded(written: str, size: int) -> bytes:
    if len(written) == 2 * size and _HEX.fullmatch(written):
        return bytes.fromhex(written)
    standard = written.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != size:
        raise InvalidInput("hash", f"must be {size} bytes in hexadecimal or base64, made of the key alone without salt")
    return decoded


def _check_cost(kind: str, written: str) -> None:
    if kind == "bcrypt":
        match = _BCRYPT.fullmatch(written)
        if match is None or not 4 <= int(match.group(1)) <= MAX_BCRYPT_COST:
            raise InvalidInput("hash", f"must be bcrypt ($2b$…) of a cost of 4 to {MAX_BCRYPT_COST}")
        return
    match = _ARGON2ID.fullmatch(written)
    limits = (MAX_ARGON2_KIB, MAX_ARGON2_PASSES, MAX_ARGON2_LANES)
    if match is None or any(int(given) > limit for given, limit in zip(match.groups(), limits, strict=True)):
        raise InvalidInput(
            "hash",
            f"must be $argon2id$v=19$… with m up to {limits[0]}, t up to {limits[1]} and p up to {limits[2]}",
        )
