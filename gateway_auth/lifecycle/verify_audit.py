"""Whether the audit is what was written: follows the chain from its beginning, and holds it against anchors.

An anchor is a head that was kept elsewhere. The chain finds what was edited, removed, swapped or inserted; an anchor
also finds a tail that was cut off, and a chain that was written anew from some record on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from gateway_auth.core.audit import EVERYTHING, GENESIS, AuditHead, AuditStanding, SealedRecord, link
from gateway_auth.ports import Registry

PAGE = 5000


class Verified(Struct, frozen=True):
    """All `count` records are as they were written, and `head` stands for them."""

    count: int
    head: AuditHead


class Broken(Struct, frozen=True):
    """The first record (`seq`) that is not as it was written, or not there, and what is wrong with it."""

    seq: int
    what: str


Verdict = Verified | Broken


async def verify_audit(registry: Registry, anchors: Mapping[int, bytes] | None = None) -> Verdict:
    """Read all there is. `anchors` are hashes by `seq`. Raises StoreUnavailable. Writers may go on meanwhile."""
    anchors = anchors or {}
    head = GENESIS
    async with registry.reading() as snapshot:
        if stray := await snapshot.audit.last(EVERYTHING, limit=1, before=1):
            return Broken(stray[0].record.seq, "stands before the first record: it was put there")
        while page := await snapshot.audit.page(EVERYTHING, limit=PAGE, after=head.seq):
            broken = _first_wrong(page, head, anchors)
            if broken is not None:
                return broken
            head = page[-1].head
            if len(page) < PAGE:
                break
        standing = await snapshot.audit.standing()
    return _wrong_end(head, standing, anchors) or Verified(head.seq, head)


def _first_wrong(page: Sequence[SealedRecord], head: AuditHead, anchors: Mapping[int, bytes]) -> Broken | None:
    seq, digest = head.seq, head.hash
    for sealed in page:
        broken = _wrong(sealed, seq, digest, anchors)
        if broken is not None:
            return broken
        seq, digest = seq + 1, sealed.hash
    return None


def _wrong(sealed: SealedRecord, before: int, digest: bytes, anchors: Mapping[int, bytes]) -> Broken | None:
    seq = sealed.record.seq
    if seq != before + 1:
        return Broken(before + 1, f"is missing: record {seq} comes after record {before}")
    try:
        expected = link(digest, sealed.record)
    except (TypeError, ValueError):  # a column holds what no program writes there
        expected = b""
    if expected != sealed.hash:
        return Broken(seq, "does not follow from those before it: it was changed, or put in another's place")
    if anchors.get(seq, expected) != expected:
        return Broken(seq, "is another one than its anchor says: the audit was written anew, from here or before")
    return None


def _wrong_end(last: AuditHead, standing: AuditStanding, anchors: Mapping[int, bytes]) -> Broken | None:
    """What is wrong after the last record that was read. What was recorded since then is no error."""
    furthest = max((seq for seq in anchors if seq > standing.head.seq), default=None)
    if standing.head.seq < last.seq or standing.last_seq > standing.head.seq:
        return Broken(standing.head.seq + 1, "was added after the end that the store remembers")
    if standing.last_seq < standing.head.seq:
        return Broken(standing.last_seq + 1, f"is missing: the store remembers {standing.head.seq} records")
    if standing.head.seq == last.seq and standing.head.hash != last.hash:
        return Broken(last.seq, "is another one than the store remembers as its last")
    if furthest is not None:
        return Broken(standing.head.seq + 1, f"is missing: an anchor was written at record {furthest}")
    return None
