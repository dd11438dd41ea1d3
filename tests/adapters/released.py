"""Stores as earlier versions left them: their schema, and rows in it that no program of today wrote."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, MetaData

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.rows import to_row
from gateway_auth.adapters.sql.schema import CURRENT_SCHEMA, Schema
from gateway_auth.core.audit import GENESIS, AuditRecord, link
from tests.adapters.stores import app, key, revocation

RELEASED = [f"{number:04}" for number in range(1, int(CURRENT_SCHEMA.version))]
CHANGES = 3


async def make_released(url: str, version: str, *, records: int = CHANGES) -> None:
    """A store of this version with an app, a key, so many changes, and a revocation where the version has them."""
    store = SqlStore(url, schema=Schema(version, CURRENT_SCHEMA.migrations))
    await store.open()
    async with store._driver.engine.begin() as connection:
        await connection.run_sync(_fill, records)
    await store.close()


def _fill(connection: Connection, records: int) -> None:
    tables = MetaData()
    tables.reflect(connection)
    connection.execute(tables.tables["apps"].insert(), to_row(app()))
    known = {column.name for column in tables.tables["keys"].columns}
    row = {name: value for name, value in to_row(key()).items() if name in known}
    connection.execute(tables.tables["keys"].insert(), row)
    numbers = range(1, records + 1)
    changes = [{"revision": number, "kind": "key", "object_id": "key1", "at": number / 8} for number in numbers]
    connection.execute(tables.tables["changes"].insert(), changes)
    events = [_audit(number) for number in numbers]
    head: dict[str, Any] = {"revision": records, "audit_seq": records}
    if "hash" in tables.tables["audit"].columns:
        head["audit_hash"] = _chain(events)
    connection.execute(tables.tables["audit"].insert(), events)
    connection.execute(tables.tables["head"].update(), head)
    if "revocations" in tables.tables:
        connection.execute(tables.tables["revocations"].insert(), {**to_row(revocation()), "revision": records})


def _chain(records: list[dict[str, Any]]) -> bytes:
    """Add what a chained audit has in each record; returns the hash of the last."""
    last = GENESIS.hash
    for record in records:
        record["outcome"] = "done"
        last = link(last, AuditRecord(request_id=None, address=None, **record))
        record["hash"] = last
    return last


def _audit(seq: int) -> dict[str, Any]:
    before = json.dumps({"name": "näme \N{SNOWMAN}", "n": seq}, ensure_ascii=False) if seq > 1 else None
    return {
        "seq": seq, "at": seq / 8, "actor": "cli:älice", "action": "key.update", "object_kind": "key",
        "object_id": "key1", "before": before, "after": "{}",
    }  # fmt: skip
