"""Keys that were issued elsewhere: how one is found and proven, and which texts may be one. Pure.

Such a key has no id and no checksum in it. It is found by a peppered digest, of a digest of it where one is known, else
of its start; so the store holds nothing of it that could be guessed at without the pepper, but for slow hashes.
"""

from __future__ import annotations

import re
from hashlib import sha256, sha512
from typing import Literal

from msgspec import Struct

from gateway_auth.core.keyformat import ADMIN_MARKER

FastHash = Literal["sha256", "sha512"]
SlowHash = Literal["bcrypt", "argon2id"]

MIN_TEXT_BYTES = 16
MAX_TEXT_BYTES = 256
MIN_START, MAX_START = 6, 24
"""How much of a key is its start, which is no secret and finds a key of which only a slow hash is known."""

_TEXT = re.compile(rb"[!-~]{%d,%d}" % (MIN_TEXT_BYTES, MAX_TEXT_BYTES))
_LABEL = b"gateway-auth imported key\0"


class ImportedKey(Struct, frozen=True, kw_only=True):
    """How the key `key_id` is found and proven. `lookup` is HMAC-SHA-256 under the pepper of `pepper_id`.

    `hash_kind` is how it is proven until it is used for the first time; None from then on, and of one imported as it
    is. `hash` is of slow kinds alone, in their own notation.
    """

    key_id: str
    lookup: bytes
    pepper_id: str
    hash_kind: FastHash | SlowHash | None = None
    hash: str = ""

    @property
    def slow_kind(self) -> SlowHash | None:
        """The kind of a hash that takes long to compare, None where finding the key has proven it."""
        return self.hash_kind if self.hash_kind == "bcrypt" or self.hash_kind == "argon2id" else None

    def __repr__(self) -> str:
        return f"ImportedKey(key_id={self.key_id!r}, hash_kind={self.hash_kind!r})"


class Upgrade(Struct, frozen=True):
    """What an imported key becomes when it was proven: found by `lookup`, proven by `digest`, both of its text."""

    before: ImportedKey
    lookup: bytes
    digest: bytes
    pepper_id: str

    def __repr__(self) -> str:
        return f"Upgrade(key_id={self.before.key_id!r})"


def may_be_imported(presented: bytes) -> bool:
    """Whether a text can be a key from elsewhere: long enough not to be guessed, short enough to be hashed.

    An admin's token is none, also where somebody imported it or a hash of it: it must open nothing but the admin plane.
    """
    return _TEXT.fullmatch(presented) is not None and not presented.startswith(ADMIN_MARKER)


def text_message(text: bytes) -> bytes:
    """What is digested to find a key by its text."""
    return hash_message("sha256", sha256(text).digest())


def hash_message(kind: FastHash, digest: bytes) -> bytes:
    """What is digested to find a key of which a fast hash is known."""
    return b"%b%b\0%b" % (_LABEL, kind.encode(), digest)


def start_message(start: bytes) -> bytes:
    """What is digested to find a key of which a slow hash and its start are known."""
    return b"%bstart\0%b" % (_LABEL, start)


def proving_messages(presented: bytes) -> list[bytes]:
    """Those by which a key is found and thereby proven: they are made of all of it."""
    return [text_message(presented), hash_message("sha512", sha512(presented).digest())]


def finding_messages(presented: bytes) -> list[bytes]:
    """Those by which a key is only found: anybody may know its start."""
    return [start_message(presented[:length]) for length in range(MIN_START, MAX_START + 1)]
