"""Stores with many keys and a long audit, written by the database itself: a million calls would take an hour."""

from __future__ import annotations

import time

from sqlalchemy import insert, text, update

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.rows import audit_row
from gateway_auth.adapters.sql.schema import audit, head
from gateway_auth.core.audit import GENESIS, AuditEvent, AuditHead, SealedRecord, seal

OWNER, APP = "owner7", "app_77"
"""One of those that have ten apps, and one of those that have a hundred keys."""
BIG_OWNER, BIG_APP = "big", "app_1"
"""This one has a tenth of all keys in one app."""
BATCH = 10_000

_NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
_APPS = (
    "INSERT INTO apps {numbers} SELECT 'app_' || n, 'a', CASE n WHEN 1 THEN 'big' ELSE 'owner' || (n / 10) END,"
    " '', NULL, 'active', 1, 'benchmark' FROM numbers"
)
_KEYS = (
    "INSERT INTO keys {numbers} SELECT id, 'app_' || CASE n % 10 WHEN 0 THEN 1 ELSE n % {apps} + 1 END, 'k',"
    " 'live', CASE n % 50 WHEN 1 THEN 'revoked' ELSE 'active' END, {digest}, 'benchmark', '[]', '[]', '[]', NULL, NULL,"
    " '[]', '[]', '[]', '[]', '[]', '[]', {now}, 'benchmark', NULL, NULL, NULL, NULL, '{{}}', NULL"
    " FROM (SELECT {some_id} AS id, n FROM numbers ORDER BY 1) AS spread"
)
_WORDS = {
    "sqlite": {"some_id": "lower(hex(randomblob(6)))", "digest": "zeroblob(32)"},
    "postgresql": {"some_id": "substr(md5(CAST(n AS text)), 1, 12)", "digest": "decode(repeat('00', 32), 'hex')"},
}
"""Ids spread as those of keys are, and a digest that is none."""


async def populate(store: SqlStore, dialect: str, keys: int, records: int) -> None:
    """Keys in apps of a hundred, apps of owners of ten, and an audit whose chain holds."""
    apps = max(100, keys // 100)
    async with store.writing() as guarded:
        await guarded.run(text(_APPS.format(numbers=_NUMBERS.format(count=apps))))
        numbers = _NUMBERS.format(count=keys)
        await guarded.run(text(_KEYS.format(numbers=numbers, apps=apps, now=int(time.time()), **_WORDS[dialect])))
        await _append(guarded, records)
        if dialect == "postgresql":
            await guarded.run(text("ANALYZE"))  # as its autovacuum would within a minute
        await guarded.commit()


async def _append(guarded: Guarded, records: int) -> None:
    last = GENESIS
    for start in range(0, records, BATCH):
        rows = []
        for number in range(start, min(records, start + BATCH)):
            sealed = _record(last, number)
            last = sealed.head
            rows.append(audit_row(sealed))
        await guarded.run(insert(audit), rows)
    await guarded.run(update(head), {"audit_seq": last.seq, "audit_hash": last.hash})


def _record(last: AuditHead, number: int) -> SealedRecord:
    """As the use cases write them: with all public fields of a key."""
    key = {"id": f"{number:012}", "app_id": APP, "status": "active", "scopes": ["orders:read"], "allow_networks": []}
    fields: dict[str, object] = {**key, "name": "k", "roles": [], "metadata": {}, "expires_at": None, "grants": []}
    event = AuditEvent(
        at=1_800_000_000 + number / 8, actor=f"cli:{number % 50}", action="key.create", object_kind="key",
        object_id=f"{number:012}", after=fields,
    )  # fmt: skip
    return seal(last, event)
