"""The text form of an API key: `gwk_live_<12 id>_<32 secret><6 checksum>`. It mints and parses, and verifies nothing.

base62 in the order `0-9A-Za-z`. The checksum is CRC-32 of everything before it: it proves nothing, it lets garbage
be refused without touching a cache or a store, and lets a scanner tell a key from a look-alike.
"""

from __future__ import annotations

import re
from binascii import crc32

from msgspec import Struct

DEFAULT_PREFIX = "gwk"
ENVIRONMENTS = ("live", "test")
KEY_ID_LENGTH = 12
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
KEY_IDS = 62**KEY_ID_LENGTH
SECRETS = 62**SECRET_LENGTH
"""How many key ids and secrets there are: callers draw both numbers below these from the system's CSPRNG."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ADMIN_MARKER = b"gwadm_"
_ADMIN_TOKEN = re.compile(rb"(gwadm_[0-9A-Za-z]{12})_[0-9A-Za-z]{8,}")
_PREFIX = re.compile(r"[a-z][a-z0-9]{1,15}")


class MintedKey(Struct, frozen=True):
    """A new key. `text` holds the secret: shown once, digested, forgotten."""

    text: str
    key_id: str

    def __repr__(self) -> str:
        return f"MintedKey(key_id={self.key_id!r})"


class KeyFormat:
    """Mints and parses keys of one configured prefix."""

    __slots__ = ("_look_alike", "_pattern", "id_end", "id_start", "length", "marker", "prefix")

    def __init__(self, prefix: str = DEFAULT_PREFIX) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f'"{prefix[:32]}" is not a key prefix: 2 to 16 lower-case letters and digits')
        self.prefix = prefix
        self.marker = f"{prefix}_".encode()
        self.id_start = len(prefix) + len("_live_")
        self.id_end = self.id_start + KEY_ID_LENGTH
        self.length = self.id_end + 1 + SECRET_LENGTH + CHECKSUM_LENGTH
        body = rf"{prefix}_(?:live|test)_([0-9A-Za-z]{{12}})_[0-9A-Za-z]{{38}}"
        self._pattern = re.compile(body.encode())
        # Complete or cut, and ending where the next one begins, so that none hides in the tail of another.
        head = rf"{prefix}_(?:live|test)_"
        self._look_alike = re.compile(rf"{head}([0-9A-Za-z]{{12}})_(?:(?!{head})[0-9A-Za-z]){{8,}}".encode())

    def mint(self, environment: str, id_number: int, secret_number: int) -> MintedKey:
        """The key made of the two numbers, each uniform below `KEY_IDS` and `SECRETS`."""
        if environment not in ENVIRONMENTS:
            raise ValueError(f'"{environment[:32]}" is not an environment; use "live" or "test"')
        key_id = base62(id_number, KEY_ID_LENGTH)
        body = f"{self.prefix}_{environment}_{key_id}_{base62(secret_number, SECRET_LENGTH)}"
        return MintedKey(body + checksum(body.encode()), key_id)

    def parse_key_id(self, presented: bytes) -> str | None:
        """The key id of a well-formed key with a right checksum, else None. Exact bytes: nothing is trimmed."""
        match = self._pattern.fullmatch(presented)
        if match is None or checksum(presented[:-CHECKSUM_LENGTH]).encode() != presented[-CHECKSUM_LENGTH:]:
            return None
        return match.group(1).decode("ascii")

    def find(self, text: bytes) -> str | None:
        """The key id of the first thing in `text` that looks like one of our keys, complete or cut."""
        match = self._look_alike.search(text)
        return match.group(1).decode("ascii") if match else None

    def redact(self, text: bytes) -> bytes:
        """`text` with the secret of everything that looks like a key or an admin token replaced, its id kept."""
        redacted = self._look_alike.sub(lambda match: match.group(0)[: self.id_end] + b"_[redacted]", text)
        return _ADMIN_TOKEN.sub(rb"\1_[redacted]", redacted)


def find_admin_id(text: bytes) -> str | None:
    """The id in the first thing in `text` that looks like an admin token, complete or cut."""
    match = _ADMIN_TOKEN.search(text)
    return match.group(1)[len(ADMIN_MARKER) :].decode("ascii") if match else None


def base62(number: int, width: int) -> str:
    """A number as so many digits."""
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def checksum(body: bytes) -> str:
    """What stands at the end of a text of ours that begins so."""
    return base62(crc32(body), CHECKSUM_LENGTH)
