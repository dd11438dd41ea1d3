"""Keys sealed for a place where others may read and write: encrypted, and bound to what they are and until when.

It decides whether bytes are a record this program's installation wrote, under this name, not past their end. Whether
the record is still true is another question, and `recent_changes`'s.
"""

from __future__ import annotations

import os
from hashlib import sha256
from hmac import compare_digest, digest
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from gateway_auth.core.keys import AppRecord, KeyRecord

MAX_SEALED_BYTES = 65_536
_LABEL = b"gateway-auth shared key cache 1\0"
_TAG_BYTES, _SALT_BYTES, _NONCE_BYTES, _NUMBER_BYTES = 8, 16, 12, 8
_SALT_AT = _TAG_BYTES + 3 * _NUMBER_BYTES
_NONCE_AT = _SALT_AT + _SALT_BYTES
_TEXT_AT = _NONCE_AT + _NONCE_BYTES

Rejection = Literal["foreign", "expired", "forged"]


class _Content(Struct, frozen=True):
    key: KeyRecord
    app: AppRecord


class SealedKey(Struct, frozen=True):
    """A key and its app as of `revision`, read from the store at `read_at` or later, not to be used at `expires_at`.

    Times are UTC epoch milliseconds.
    """

    revision: int
    read_at: int
    expires_at: int
    key: KeyRecord
    app: AppRecord


class Sealer:
    """Seals and opens. `encryption_key` is 32 random bytes; what is used is derived from it for this purpose alone.

    `scope` names the store: what was read from another is foreign, also where both share Redis and the key.

    Sealed is: tag, revision, read_at, expires_at, salt, nonce, ciphertext. The tag tells the format, the shape of the
    records and the key, so that what another version wrote is not taken for a forgery, nor a field it did not know
    for one that is absent. All that stands before the ciphertext, and the key id, are authenticated with it.
    """

    def __init__(self, encryption_key: bytes, scope: str = "") -> None:
        if len(encryption_key) != 32:
            raise ValueError("the encryption key must be 32 bytes")
        shape = sha256(msgspec.json.encode(msgspec.json.schema(_Content), order="sorted")).digest()
        info = _LABEL + shape + scope.encode()
        derived = HKDF(algorithm=SHA256(), length=32 + _TAG_BYTES, salt=None, info=info).derive(encryption_key)
        self._root, self._tag = derived[:32], derived[32:]
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(_Content).decode

    def seal(self, sealed: SealedKey) -> bytes:
        """The bytes to keep under the key's name."""
        numbers = (sealed.revision, sealed.read_at, sealed.expires_at)
        header = self._tag + b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in numbers)
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
        text = self._encode(_Content(sealed.key, sealed.app))
        return header + salt + nonce + self._cipher(salt).encrypt(nonce, text, _bound(header, sealed.key.id))

    def open(self, sealed: bytes, key_id: str, now_ms: int) -> SealedKey | Rejection:
        """What was sealed under this key id, or why it is ignored. Never raises, whatever the bytes are."""
        header, salt, nonce = sealed[:_SALT_AT], sealed[_SALT_AT:_NONCE_AT], sealed[_NONCE_AT:_TEXT_AT]
        if len(sealed) <= _TEXT_AT or not compare_digest(header[:_TAG_BYTES], self._tag):
            return "foreign"
        try:
            text = self._cipher(salt).decrypt(nonce, sealed[_TEXT_AT:], _bound(header, key_id))
            content = self._decode(text)
        except (InvalidTag, msgspec.MsgspecError):
            return "forged"
        if content.key.id != key_id or content.app.id != content.key.app_id:
            return "forged"
        revision, read_at, expires_at = _numbers(header)
        # After the proof: the end of a forged entry says nothing.
        if now_ms >= expires_at:
            return "expired"
        return SealedKey(revision, read_at, expires_at, content.key, content.app)

    def _cipher(self, salt: bytes) -> AESGCM:
        # A key for each entry: random nonces under one key must not pass 2**32 messages, which a busy installation
        # writes in weeks (NIST SP 800-38D section 8.3).
        return AESGCM(digest(self._root, salt, "sha256"))


def _bound(header: bytes, key_id: str) -> bytes:
    # The header has one length, so the two cannot be told apart in another way.
    return header + key_id.encode("utf-8", "surrogatepass")


def _numbers(header: bytes) -> tuple[int, ...]:
    starts = range(_TAG_BYTES, _SALT_AT, _NUMBER_BYTES)
    return tuple(int.from_bytes(header[start : start + _NUMBER_BYTES], "big") for start in starts)
