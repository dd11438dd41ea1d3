"""A backup into a store, in one transaction. Nothing that was taken away after the backup was made comes back.

What the store and the backup have to do with each other, their audits say. Where the backup is the longer one of the
same history (an empty store is the beginning of every history), the store becomes what the backup holds. Where the
store has gone on since, only what it has lost is brought back, and nothing that is there is touched. Where they went
different ways, it is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from sqlalchemy import Table, delete, insert, select, update

from gateway_auth.adapters.sql.backup import TABLES, Backup, Record, UnusableBackup
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.head import read_head
from gateway_auth.adapters.sql.rows import audit_row
from gateway_auth.adapters.sql.schema import (
    apps,
    audit,
    changes,
    head,
    imported_keys,
    keys,
    revocations,
    webhook_cursors,
)
from gateway_auth.adapters.sql.store import SqlStore
from gateway_auth.core.actor import Actor
from gateway_auth.core.audit import AuditEvent, AuditHead, seal

STEP = 1_000_000
"""How far the revision jumps: past what a lost store may have counted to after the backup."""
BATCH = 500


class Restored(Struct, kw_only=True):
    """What was brought back, and what was left out because it was deleted since.

    `was_empty`: of what happened after the backup nothing is known. `went_on`: the store did after the backup was made.
    """

    was_empty: bool
    went_on: bool
    apps: int = 0
    keys: int = 0
    imported_keys: int = 0
    revocations: int = 0
    left_out: int = 0

    def count(self, table: Table, number: int) -> None:
        """So many more rows of a table."""
        if table is not audit:
            setattr(self, table.name, getattr(self, table.name) + number)


async def restore(store: SqlStore, backup: Backup, actor: Actor, now: float) -> Restored:
    """Bring back what `backup` holds. Raises StoreUnavailable, and UnusableBackup: then nothing has changed."""
    async with store.writing() as guarded:
        found = await read_head(guarded, is_locked=True)
        if backup.begins_with(found.audit):
            done = await _become(guarded, backup, found.audit)
            last = backup.header.head
        elif await _holds(guarded, backup.header.head):
            done = await _fill(guarded, backup, found.revision + 1)
            last = found.audit
        else:
            raise UnusableBackup("is of another store, or they went different ways since; restore it into an empty one")
        revision = max(found.revision, backup.header.revision) + STEP
        await _finish(guarded, last, revision, _event(done, backup, actor, now))
        await guarded.commit()
        return done


async def _become(guarded: Guarded, backup: Backup, standing: AuditHead) -> Restored:
    """The store as the backup holds it; what its audit has already stays."""
    done = Restored(was_empty=standing.seq == 0, went_on=False)
    for table in (keys, apps, revocations):
        await guarded.run(delete(table))
    for table, batch in _batches(backup.rows()):
        rows = [row for row in batch if table is not audit or _number(row["seq"]) > standing.seq]
        await _insert(guarded, table, rows, done)
    # What is brought back happened before, and was told then: webhooks hear of the restore and of what follows.
    await guarded.run(update(webhook_cursors).values(seq=backup.header.head.seq))
    return done


async def _fill(guarded: Guarded, backup: Backup, revision: int) -> Restored:
    """What is lost, as it may still be: deleted since, not at all; changed since, switched off."""
    done = Restored(was_empty=False, went_on=True)
    since = await _actions_since(guarded, backup.header.audit_seq)
    for table, batch in _batches(backup.rows()):
        if table is audit:
            continue
        id_name = "key_id" if table is imported_keys else "id"
        there = await _there(guarded, table, [row[id_name] for row in batch])
        lost = [row for row in batch if row[id_name] not in there]
        rows = [kept for row in lost if (kept := _as_it_may_be(table, row, since[str(row[id_name])], revision))]
        if table is imported_keys:
            found = await _there(guarded, keys, [row["key_id"] for row in rows])
            rows = [row for row in rows if row["key_id"] in found]
        if table is keys:
            owners = await _there(guarded, apps, [row["app_id"] for row in rows])
            rows = [row for row in rows if row["app_id"] in owners]
        done.left_out += len(lost) - len(rows)
        await _insert(guarded, table, rows, done)
    return done


def _as_it_may_be(table: Table, row: Record, actions: set[str], revision: int) -> Record | None:
    if table is revocations:
        return {**row, "revision": revision}
    if any(action.endswith(".delete") for action in actions):
        return None
    if table is imported_keys:
        return row
    if "key.revoke" in actions:
        return {**row, "status": "revoked"}
    return {**row, "status": "disabled"} if actions and row["status"] == "active" else row


async def _finish(guarded: Guarded, last: AuditHead, revision: int, event: AuditEvent) -> None:
    """Write down who did this, and have all workers forget what they know: they stand before what was pruned."""
    sealed = seal(last, event)
    await guarded.run(insert(audit), audit_row(sealed))
    await guarded.run(delete(changes))
    moved: Record = {
        "revision": revision, "pruned": revision, "audit_seq": sealed.head.seq, "audit_hash": sealed.hash,
    }  # fmt: skip
    await guarded.run(update(head).where(head.c.id == 1), moved)


def _event(done: Restored, backup: Backup, actor: Actor, now: float) -> AuditEvent:
    counts: dict[str, object] = {
        name: getattr(done, name) for name in ("apps", "keys", "revocations", "left_out")
    }  # fmt: skip
    return AuditEvent(
        at=now,
        actor=str(actor),
        action="store.restore",
        object_kind="store",
        object_id="store",
        request_id=actor.request_id,
        address=actor.address,
        after={"backup": str(backup.header.head), **counts},
    )


def _batches(rows: Iterable[tuple[str, Record]]) -> Iterator[tuple[Table, list[Record]]]:
    """At most `BATCH` rows of one table at a time, in the order of the backup."""
    batch: list[Record] = []
    of = ""
    for table, row in rows:
        if batch and (table != of or len(batch) == BATCH):
            yield TABLES[of], batch
            batch = []
        of = table
        batch.append(row)
    if batch:
        yield TABLES[of], batch


async def _insert(guarded: Guarded, table: Table, rows: Sequence[Record], done: Restored) -> None:
    if rows:
        await guarded.run(insert(table), rows)
        done.count(table, len(rows))


async def _holds(guarded: Guarded, of: AuditHead) -> bool:
    found = (await guarded.run(select(audit.c.hash).where(audit.c.seq == of.seq))).first()
    return found is not None and found[0] == of.hash


async def _there(guarded: Guarded, table: Table, ids: Sequence[object]) -> set[object]:
    """Those of `ids` that the table has."""
    (column,) = table.primary_key.columns
    return {found for (found,) in (await guarded.run(select(column).where(column.in_(ids)))).all()}


async def _actions_since(guarded: Guarded, seq: int) -> dict[str, set[str]]:
    """What happened to each object after a record."""
    query = select(audit.c.object_id, audit.c.action).where(audit.c.seq > seq, audit.c.outcome == "done")
    actions: dict[str, set[str]] = defaultdict(set)
    for object_id, action in (await guarded.run(query.distinct())).all():
        actions[str(object_id)].add(str(action))
    return actions


def _number(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - examined when the backup was opened
    return value
