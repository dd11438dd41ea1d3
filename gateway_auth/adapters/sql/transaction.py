"""One write transaction: apps, keys, revocations, and their rows of change log and audit. Knows no use case."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway_auth.adapters.sql import schema
from gateway_auth.adapters.sql.admins import SqlAdmins, SqlCreations
from gateway_auth.adapters.sql.audit import SqlAudit
from gateway_auth.adapters.sql.failures import Explain
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.head import read_head
from gateway_auth.adapters.sql.imported import SqlImported
from gateway_auth.adapters.sql.records import SqlRecords
from gateway_auth.adapters.sql.rows import Column, audit_row, change_row, to_row
from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.audit import AuditEvent, AuditHead, seal
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.token import Revocation

_HEAD = schema.head
_LOCKED_HEAD = select(_HEAD.c.revision, _HEAD.c.audit_seq, _HEAD.c.audit_hash).where(_HEAD.c.id == 1).with_for_update()


class SqlApps(SqlRecords[AppRecord]):
    """ports.Apps."""

    async def page(self, *, limit: int, after: str = "", owner: str | None = None) -> Sequence[AppRecord]:
        """Apps in order of id, of one owner or of all."""
        return await self.select(app_page(limit=limit, after=after, owner=owner))


class SqlKeys(SqlRecords[KeyRecord]):
    """ports.Keys."""

    # Workers of PostgreSQL take no turn among those who manage: what they wrote since the key was read has to stay.
    of_workers = frozenset(("last_used_at", "last_used_address", "digest", "pepper_id"))

    async def page(
        self, *, limit: int, after: str = "", app_id: str | None = None, owner: str | None = None
    ) -> Sequence[KeyRecord]:
        """Keys in order of id, of one app or owner or of all."""
        if owner is not None and self._guarded.joins_laterally:
            return await self.select(owned_page(limit=limit, after=after, owner=owner, app_id=app_id))
        return await self.select(key_page(limit=limit, after=after, app_id=app_id, owner=owner))

    async def count_active(self, app_id: str, *, now: float, at_most: int) -> int:
        """Those of the app that go on working; counting ends at `at_most`."""
        table = schema.keys
        chosen = select(table.c.id).where(table.c.app_id == app_id, _is_active(now), table.c.retires_at.is_(None))
        return len((await self._guarded.run(chosen.limit(at_most))).all())

    async def unused(self, *, since: float, now: float, limit: int, after: str = "") -> Sequence[KeyRecord]:
        """Active, and neither used nor created since."""
        table = schema.keys
        was_not = func.coalesce(table.c.last_used_at, table.c.created_at) < since
        query = select(table).where(table.c.id > after, _is_active(now), was_not)
        return await self.select(query.order_by(table.c.id).limit(limit))

    async def due(
        self, *, created_before: float, ends_before: float, now: float, limit: int, after: str = ""
    ) -> Sequence[KeyRecord]:
        """Active, not rotated, and old or about to expire."""
        table = schema.keys
        is_due = or_(table.c.created_at < created_before, table.c.expires_at < ends_before)
        query = select(table).where(table.c.id > after, _is_active(now), table.c.retires_at.is_(None), is_due)
        return await self.select(query.order_by(table.c.id).limit(limit))


def _is_active(now: float) -> ColumnElement[bool]:
    """As `core.keys.status_at` says."""
    table = schema.keys
    return and_(
        table.c.status == "active",
        or_(table.c.expires_at.is_(None), table.c.expires_at > now),
        or_(table.c.retires_at.is_(None), table.c.retires_at > now),
    )


class SqlRevocations:
    """ports.Revocations."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded

    async def save(self, revocation: Revocation, revision: int) -> None:
        """Add one, recorded as this revision."""
        await self._guarded.run(insert(schema.revocations), {**to_row(revocation), "revision": revision})

    async def prune(self, before: float) -> int:
        """Forget those that ended before a time; returns how many."""
        ends = schema.revocations.c.expires_at
        return (await self._guarded.run(delete(schema.revocations).where(ends < before))).rowcount


class SqlSnapshot:
    """ports.AuditedSnapshot."""

    def __init__(self, connection: AsyncConnection, explain: Explain) -> None:
        guarded = Guarded(connection, explain)
        self.apps = SqlApps(AppRecord, schema.apps, guarded)
        self.keys = SqlKeys(KeyRecord, schema.keys, guarded)
        self.admins = SqlAdmins(AdminRecord, schema.admins, guarded)
        self.audit = SqlAudit(guarded)
        self.imported = SqlImported(guarded)


class SqlTransaction:
    """ports.Transaction. Log rows are collected and written at the end, with the head that numbers them."""

    def __init__(self, guarded: Guarded, revision: int, audit_head: AuditHead, announce: Executable | None) -> None:
        self.audit_head = audit_head
        self._guarded = guarded
        self._revision = revision
        self._announce = announce
        self._changes: list[dict[str, Column]] = []
        self._records: list[dict[str, Column]] = []
        self.apps = SqlApps(AppRecord, schema.apps, guarded)
        self.keys = SqlKeys(KeyRecord, schema.keys, guarded)
        self.revocations = SqlRevocations(guarded)
        self.imported = SqlImported(guarded)
        self.admins = SqlAdmins(AdminRecord, schema.admins, guarded)
        self.creations = SqlCreations(guarded)
        self.audit = SqlAudit(guarded)

    @classmethod
    async def begin(
        cls, connection: AsyncConnection, explain: Explain, announce: Executable | None = None
    ) -> SqlTransaction:
        """Waits for its turn: from here to the end this is the only writer."""
        guarded = Guarded(connection, explain)
        found = await read_head(guarded, is_locked=True)
        return cls(guarded, found.revision, found.audit, announce)

    async def record(self, event: AuditEvent) -> int:
        """Append change and audit rows; returns the new revision."""
        self._changes.append(change_row(event, self._revision + 1))
        self._revision += 1
        await self.witness(event)
        return self._revision

    async def witness(self, event: AuditEvent) -> None:
        """Append the audit row alone."""
        sealed = seal(self.audit_head, event)
        self.audit_head = sealed.head
        self._records.append(audit_row(sealed))

    async def commit(self) -> None:
        """Write the log rows and commit."""
        if self._changes:
            await self._guarded.run(insert(schema.changes), self._changes)
            if self._announce is not None:
                await self._guarded.run(self._announce)
        if self._records:
            await self._guarded.run(insert(schema.audit), self._records)
            head = self.audit_head
            moved: dict[str, Column] = {"audit_seq": head.seq, "audit_hash": head.hash}
            if self._changes:  # else nothing has moved, and who may not change anything may still witness
                moved["revision"] = self._revision
            await self._guarded.run(update(_HEAD).where(_HEAD.c.id == 1), moved)
        await self._guarded.commit()


def app_page(*, limit: int, after: str, owner: str | None = None) -> Select[*tuple[object, ...]]:
    """A page of apps in order of id, of one owner or of all."""
    table = schema.apps
    query = select(table).where(table.c.id > after).order_by(table.c.id).limit(limit)
    return query if owner is None else query.where(table.c.owner == owner)


def key_page(*, limit: int, after: str, app_id: str | None, owner: str | None = None) -> Select[*tuple[object, ...]]:
    """A page of keys in order of id, of one app or owner or of all."""
    table = schema.keys
    query = select(table).where(table.c.id > after).order_by(table.c.id).limit(limit)
    if app_id is not None:
        query = query.where(table.c.app_id == app_id)
    if owner is not None:
        query = query.where(table.c.app_id.in_(select(schema.apps.c.id).where(schema.apps.c.owner == owner)))
    return query


def owned_page(*, limit: int, after: str, owner: str, app_id: str | None = None) -> Select[*tuple[object, ...]]:
    """The same of one owner, for PostgreSQL, which would sort all keys of all apps: first a page of ids of each app."""
    keys, apps = schema.keys, schema.apps
    of_app = select(keys.c.id).where(keys.c.app_id == apps.c.id, keys.c.id > after).order_by(keys.c.id).limit(limit)
    page = of_app.lateral("page")
    ids = select(page.c.id).select_from(apps.join(page, true())).where(apps.c.owner == owner)
    if app_id is not None:
        ids = ids.where(apps.c.id == app_id)
    chosen = ids.order_by(page.c.id).limit(limit)
    return select(keys).where(keys.c.id.in_(chosen)).order_by(keys.c.id)
