"""The one row that orders everything: reading it, and locking it, which makes its reader the only writer."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import select

from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.schema import head
from gateway_auth.core.audit import AuditHead
from gateway_auth.errors import StoreUnavailable

READ_HEAD = select(head.c.revision, head.c.audit_seq, head.c.audit_hash).where(head.c.id == 1)
LOCK_HEAD = READ_HEAD.with_for_update()


class Head(Struct, frozen=True):
    """The revision of the last change, and the last audit record."""

    revision: int
    audit: AuditHead


async def read_head(guarded: Guarded, *, is_locked: bool) -> Head:
    """The head, the writer's own until its transaction ends where `is_locked`. Raises StoreUnavailable."""
    row = (await guarded.run(LOCK_HEAD if is_locked else READ_HEAD)).one_or_none()
    if row is not None:
        revision, seq, digest = row
        if isinstance(revision, int) and isinstance(seq, int) and isinstance(digest, bytes):
            return Head(revision, AuditHead(seq, digest))
    raise StoreUnavailable("the store does not say where it stands; restore it from a backup")
