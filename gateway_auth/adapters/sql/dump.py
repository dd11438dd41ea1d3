"""A store into a backup, as of one moment, while others write."""

from __future__ import annotations

from typing import BinaryIO

from sqlalchemy import Table, select

from gateway_auth.adapters.sql.backup import FORM, TABLES, Header, Writer
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.head import read_head
from gateway_auth.adapters.sql.schema import CURRENT_SCHEMA
from gateway_auth.adapters.sql.store import SqlStore

PAGE = 1000


async def dump(store: SqlStore, file: BinaryIO, now: float) -> int:
    """Write a backup to `file`; returns how many rows. Raises StoreUnavailable and OSError."""
    async with store.dumping() as guarded:
        head = await read_head(guarded, is_locked=False)
        header = Header(
            form=FORM,
            schema=CURRENT_SCHEMA.version,
            made_at=now,
            revision=head.revision,
            audit_seq=head.audit.seq,
            audit_hash=head.audit.hash,
        )
        writer = Writer(file, header)
        for table in TABLES.values():
            await _copy(guarded, table, writer)
        return writer.close()


async def _copy(guarded: Guarded, table: Table, writer: Writer) -> None:
    (order,) = table.primary_key.columns
    query = select(table).order_by(order).limit(PAGE)
    page = (await guarded.run(query)).mappings().all()
    while page:
        for row in page:
            # SQLAlchemy's names are a kind of text that no encoder knows.
            writer.add(str(table.name), {str(name): value for name, value in row.items()})
        page = (await guarded.run(query.where(order > page[-1][order.name]))).mappings().all()
