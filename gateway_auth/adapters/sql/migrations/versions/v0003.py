"""The third schema: each audit record carries the hash of itself and the one before it; `head` holds the last one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from gateway_auth.core.audit import GENESIS, AuditHead, AuditRecord, link

revision = "0003"
down_revision = "0002"

PAGE = 2000
DONE = "done"
FIELDS = ("seq", "at", "actor", "action", "object_kind", "object_id", "before", "after")

audit = sa.table("audit", *(sa.column(name) for name in (*FIELDS, "hash")))
head = sa.table("head", sa.column("audit_seq"), sa.column("audit_hash"))


def upgrade() -> None:
    """Add the columns, chain what is there, and only then demand a hash of every record."""
    op.add_column("head", sa.Column("audit_hash", sa.LargeBinary))
    op.add_column("audit", sa.Column("outcome", sa.String(16), nullable=False, server_default=DONE))
    op.add_column("audit", sa.Column("request_id", sa.String(64)))
    op.add_column("audit", sa.Column("address", sa.String(64)))
    op.add_column("audit", sa.Column("hash", sa.LargeBinary))
    last = chain_records(op.get_bind())
    op.execute(sa.update(head).values(audit_seq=last.seq, audit_hash=last.hash))
    with op.batch_alter_table("audit") as table:
        table.alter_column("hash", existing_type=sa.LargeBinary, nullable=False)
        table.alter_column("outcome", existing_type=sa.String(16), existing_nullable=False, server_default=None)
    with op.batch_alter_table("head") as table:
        table.alter_column("audit_hash", existing_type=sa.LargeBinary, nullable=False)
    op.create_index("audit_by_actor", "audit", ["actor", "seq"])
    op.create_index("audit_by_action", "audit", ["action", "seq"])
    op.create_index("audit_by_time", "audit", ["at"])


def chain_records(connection: sa.Connection) -> AuditHead:
    """Write the hash of every record; returns the last one."""
    write = sa.update(audit).where(audit.c.seq == sa.bindparam("of")).values(hash=sa.bindparam("digest"))
    last = GENESIS
    for page in pages(connection):
        hashes = []
        for seq, at, actor, action, kind, object_id, before, after in page:
            record = AuditRecord(seq, float(at), actor, action, kind, object_id, DONE, None, None, before, after)
            last = AuditHead(seq, link(last.hash, record))
            hashes.append({"of": seq, "digest": last.hash})
        connection.execute(write, hashes)
    return last


def pages(connection: sa.Connection) -> Iterator[list[sa.Row[*tuple[Any, ...]]]]:
    """All records in their order, as they were before."""
    columns = [audit.c[name] for name in FIELDS]
    after = 0
    while True:
        query = sa.select(*columns).where(audit.c.seq > after).order_by(audit.c.seq).limit(PAGE)
        page = list(connection.execute(query))
        if not page:
            return
        yield page
        after = page[-1].seq
