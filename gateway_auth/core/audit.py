"""What the audit keeps, and the chain of hashes that makes a later edit evident. Knows no store.

The hash of a record is SHA-256 over `DOMAIN`, the hash of the record before it (32 bytes; zeros before the first) and
the record as one MessagePack array of its fields in their order, each in the shortest form: every part begins with its
kind and length, so no two different records are one text. The form never changes under this domain; another form is
another domain.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

DOMAIN = b"gateway-auth audit record 1\n"

ObjectKind = Literal["app", "key", "token", "store", "admin", "route"]
Outcome = Literal["done", "denied"]

_encode = msgspec.msgpack.Encoder().encode


class AuditEvent(Struct, frozen=True, kw_only=True):
    """Who did what to which object. `before` and `after` are public fields, never secrets or digests.

    `at` is UTC epoch seconds. `outcome` is `denied` for what was asked for and refused: nothing has changed then.
    """

    at: float
    actor: str
    action: str
    object_kind: ObjectKind
    object_id: str
    outcome: Outcome = "done"
    request_id: str | None = None
    address: str | None = None
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None


class AuditRecord(Struct, frozen=True, array_like=True, gc=False):
    """One line of the audit, in the order that is hashed. `at` is UTC epoch seconds; `seq` counts from 1 without gaps.

    `before` and `after` are JSON objects of public fields, exactly as they are kept.
    """

    seq: int
    at: float
    actor: str
    action: str
    object_kind: str
    object_id: str
    outcome: str
    request_id: str | None
    address: str | None
    before: str | None
    after: str | None


class SealedRecord(Struct, frozen=True, gc=False):
    """A record as it was read, with the hash it was kept with: unverified until somebody follows the chain."""

    record: AuditRecord
    hash: bytes

    @property
    def head(self) -> AuditHead:
        """The head of an audit that ends here."""
        return AuditHead(self.record.seq, self.hash)


class AuditHead(Struct, frozen=True, gc=False):
    """The last record and its hash, which stands for all records up to there. Written `SEQ:HEX`."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"


GENESIS = AuditHead(0, bytes(32))
"""Where every chain begins."""


class AuditStanding(Struct, frozen=True):
    """Where the audit says that it ends, and its last record: the same, unless somebody was at it."""

    head: AuditHead
    last_seq: int


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which records are wanted: those that meet all that is given. `since` is UTC epoch seconds."""

    since: float | None = None
    actor: str | None = None
    action: str | None = None
    object_id: str | None = None


EVERYTHING = AuditFilter()


def seal(head: AuditHead, event: AuditEvent) -> SealedRecord:
    """The record of an event, as the next one after `head`."""
    record = AuditRecord(
        seq=head.seq + 1,
        at=float(event.at),
        actor=event.actor,
        action=event.action,
        object_kind=event.object_kind,
        object_id=event.object_id,
        outcome=event.outcome,
        request_id=event.request_id,
        address=event.address,
        before=_fields(event.before),
        after=_fields(event.after),
    )
    return SealedRecord(record, link(head.hash, record))


def _fields(fields: dict[str, object] | None) -> str | None:
    # Sorted: one text for one content, whatever order a caller built it in.
    return None if fields is None else msgspec.json.encode(fields, order="sorted").decode()


def link(previous: bytes, record: AuditRecord) -> bytes:
    """The hash of a record that follows the one of hash `previous`."""
    return sha256(DOMAIN + previous + _encode(record)).digest()


def parse_head(text: str) -> AuditHead:
    """The head somebody wrote down as `SEQ:HEX`. Raises ValueError."""
    seq, _, digest = text.partition(":")
    if not (seq.isascii() and seq.isdecimal() and len(seq) < 19 and len(digest) == 64):
        raise ValueError("is not a head; write it as `audit verify` prints it, a number, a colon and 64 hex digits")
    return AuditHead(int(seq), bytes.fromhex(digest))
