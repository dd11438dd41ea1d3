"""What stays quick however many there are: no statement that runs often goes through a whole table."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from sqlalchemy import ClauseElement, delete, select
from sqlalchemy.dialects import postgresql as dialects

from gateway_auth.adapters.sql import schema
from gateway_auth.adapters.sql.audit import STANDING, chosen_after, chosen_before
from gateway_auth.adapters.sql.statements import READ_CHANGES, READ_KEY, READ_REVOCATIONS
from gateway_auth.adapters.sql.transaction import app_page, key_page, owned_page
from gateway_auth.core.audit import EVERYTHING, AuditFilter
from tests.adapters.stores import sql_store
from tests.postgresql.server import Server

ROWS = 40_000
BIG = {"apps", "keys", "changes", "audit", "revocations"}
FILL = f"""
INSERT INTO apps SELECT 'app_' || n, 'a', '', '', NULL, 'active', n, 'cli:a' FROM generate_series(1, {ROWS}) n;
INSERT INTO keys SELECT 'key' || n, 'app_' || (n % 4000 + 1), 'k', 'live', 'active', '\\x00', 'p', '[]', '[]', '[]',
    NULL, NULL, '[]', '[]', '[]', '[]', '[]', '[]', n, 'cli:a', NULL, NULL, NULL, NULL, '{{}}'
    FROM generate_series(1, {ROWS}) n;
UPDATE apps SET owner = 'big' WHERE id = 'app_7';
UPDATE apps SET owner = 'many' WHERE id LIKE 'app_12%';
UPDATE keys SET app_id = 'app_7' WHERE id LIKE '%5';
INSERT INTO changes SELECT n, 'key', 'key' || n, n FROM generate_series(1, {ROWS}) n;
INSERT INTO audit (seq, at, actor, action, object_kind, object_id, outcome, hash)
    SELECT n, n, 'cli:' || n % 500, 'key.' || n % 500, 'key', 'key' || n, 'done', '\\x00'
    FROM generate_series(1, {ROWS}) n;
INSERT INTO revocations SELECT 'rev_' || n, n, 'jti', 'v', NULL, n, n FROM generate_series(1, {ROWS}) n;
UPDATE head SET revision = {ROWS}, audit_seq = {ROWS};
-- All rows are looked at, once: of a sample the planner would choose now this way, now that.
ALTER TABLE apps SET (autovacuum_enabled = false);
ALTER TABLE keys SET (autovacuum_enabled = false);
SET default_statistics_target = 10000;
ANALYZE;
"""
DIALECT = dialects.asyncpg.dialect()  # type: ignore[no-untyped-call]
STATEMENTS: dict[str, ClauseElement] = {
    "a key and its app": READ_KEY.params(key_id="key77"),
    "new changes": READ_CHANGES.params(after=ROWS - 5),
    "changes of one who missed all": READ_CHANGES.params(after=0),
    "new revocations": READ_REVOCATIONS.params(after=ROWS - 5),
    "revocations that ended": delete(schema.revocations).where(schema.revocations.c.expires_at < 5),
    "a page of apps": app_page(limit=1000, after="app_3"),
    "a page of keys": key_page(limit=1000, after="key3", app_id=None),
    "a page of the keys of an app": key_page(limit=1000, after="key3", app_id="app_7"),
    "a page of the keys of an owner of many apps": owned_page(limit=100, after="key3", owner="many"),
    "a page of the keys of an owner of a tenth": owned_page(limit=100, after="key3", owner="big"),
    "a key by id": select(schema.keys).where(schema.keys.c.id == "key77"),
    "the end of the audit": STANDING,
    "a page of the audit": chosen_after(EVERYTHING, limit=2000, after=20_000),
    "the newest of the audit": chosen_before(EVERYTHING, limit=100, before=None),
    "what happened to a key": chosen_before(AuditFilter(object_id="key77"), limit=100, before=None),
    "what somebody did": chosen_before(AuditFilter(actor="cli:7"), limit=100, before=None),
    "who did such a thing": chosen_before(AuditFilter(action="key.7"), limit=100, before=30_000),
    "what happened lately": chosen_before(AuditFilter(since=ROWS - 50.0), limit=100, before=None),
    "what happened lately, from its beginning": chosen_after(AuditFilter(since=ROWS - 50.0), limit=100, after=0),
}


@pytest.fixture(scope="module")
def filled(postgresql: Server) -> str:
    """The name of a database with `ROWS` rows in every table, and statistics about them."""
    database = postgresql.new_database()

    async def create() -> None:
        async with sql_store(postgresql.url(database)) as store:
            await store.open()

    asyncio.run(create())
    postgresql.sql(FILL, database)
    return database


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_reads_by_an_index_and_little_more_than_it_returns(
    postgresql: Server, filled: str, name: str
) -> None:
    plan = explained(postgresql, filled, STATEMENTS[name])
    scans = [node for node in nodes(plan) if node.get("Relation Name") in BIG]
    assert scans
    assert [node["Relation Name"] for node in scans if node["Node Type"] == "Seq Scan"] == []
    # Rows that were read and thrown away: an index that does not fit what is asked.
    assert sum(int(str(node.get("Rows Removed by Filter", 0))) for node in scans) == 0
    assert all(int(str(node["Actual Rows"]).partition(".")[0]) <= 2000 for node in scans), plan


def explained(server: Server, database: str, statement: ClauseElement) -> dict[str, object]:
    compiled = statement.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True})
    text = f"BEGIN; EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {compiled}; ROLLBACK"
    answer = "\n".join("\t".join(row) for row in server.sql(text, database))
    (plan,) = json.loads(answer)
    assert isinstance(plan, dict)
    return dict(plan["Plan"])


def nodes(plan: dict[str, object]) -> Iterator[dict[str, object]]:
    """A node of a plan and all below it."""
    yield plan
    below = plan.get("Plans", [])
    assert isinstance(below, list)
    for node in below:
        yield from nodes(node)
