"""What one actor finds in the registry, and what it may leave there: the edge between an admin and everything else.

Use cases work on this as on any registry, so none can forget it: to a developer the apps of others and their keys do
not exist, and no key gets rights that its maker may not hand on. What only takes away is always allowed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from msgspec.structs import replace

from gateway_auth.core.actor import Actor
from gateway_auth.core.audit import AuditEvent, AuditHead
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.scopes import ScopeSet
from gateway_auth.errors import Forbidden
from gateway_auth.ports import (
    AppReader,
    Apps,
    AuditedSnapshot,
    AuditReader,
    Creations,
    Imported,
    KeyReader,
    Keys,
    Registry,
    Revocations,
    Transaction,
)
from gateway_auth.ports.management import AdminReader, Admins, ImportedReader

A = TypeVar("A", bound=AppReader)
K = TypeVar("K", bound=KeyReader)


def owner_of(actor: Actor) -> str | None:
    """The owner whose apps are all this actor sees; None for one who sees all."""
    return actor.name if actor.kind == "admin" and actor.role == "developer" else None


class BoundedRegistry:
    """`ports.Registry` for one actor. An admin who was disabled or changed in the meantime changes nothing."""

    def __init__(self, registry: Registry, actor: Actor) -> None:
        self._registry = registry
        self._actor = actor

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[BoundedSnapshot]:
        """What the actor sees."""
        async with self._registry.reading() as snapshot:
            yield BoundedSnapshot(snapshot, self._actor)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[BoundedTransaction]:
        """What the actor sees and may change."""
        async with self._registry.transaction() as transaction:
            await _refuse_changed(transaction.admins, self._actor)
            yield BoundedTransaction(transaction, self._actor)


class BoundedSnapshot:
    """`ports.AuditedSnapshot`."""

    def __init__(self, snapshot: AuditedSnapshot, actor: Actor) -> None:
        self.apps: AppReader = _SeenApps(snapshot.apps, owner_of(actor))
        self.keys: KeyReader = _SeenKeys(snapshot.keys, self.apps, owner_of(actor))
        self.admins: AdminReader = snapshot.admins
        self.audit: AuditReader = snapshot.audit
        self.imported: ImportedReader = snapshot.imported


class BoundedTransaction:
    """`ports.Transaction`."""

    def __init__(self, transaction: Transaction, actor: Actor) -> None:
        self.created: AuditEvent | None = None
        """What was created last in it."""
        self._transaction = transaction
        self.apps: Apps = _OwnApps(transaction.apps, owner_of(actor))
        self.keys: Keys = _OwnKeys(transaction.keys, self.apps, actor)
        self.revocations: Revocations = transaction.revocations
        self.imported: Imported = transaction.imported
        self.admins: Admins = transaction.admins
        self.creations: Creations = transaction.creations
        self.audit: AuditReader = transaction.audit

    @property
    def audit_head(self) -> AuditHead:
        """The last audit record."""
        return self._transaction.audit_head

    async def record(self, event: AuditEvent) -> int:
        """Append change and audit rows."""
        if event.action.endswith(".create"):
            self.created = event
        return await self._transaction.record(event)

    async def witness(self, event: AuditEvent) -> None:
        """Append the audit row alone."""
        await self._transaction.witness(event)


class _SeenApps(Generic[A]):
    def __init__(self, apps: A, owner: str | None) -> None:
        self._apps = apps
        self._owner = owner

    async def get(self, app_id: str) -> AppRecord | None:
        app = await self._apps.get(app_id)
        return app if app is not None and self._owner in (None, app.owner) else None

    async def page(self, *, limit: int, after: str = "", owner: str | None = None) -> Sequence[AppRecord]:
        return await self._apps.page(limit=limit, after=after, owner=owner if self._owner is None else self._owner)


class _OwnApps(_SeenApps[Apps]):
    async def save(self, app: AppRecord) -> None:
        if self._owner is not None:
            before = await self._apps.get(app.id)
            if app.owner != self._owner or (before is not None and before.owner != self._owner):
                raise Forbidden(f'a developer\'s apps have the owner "{self._owner}"; leave `owner` out')
            if app.plan != (before.plan if before is not None else None):
                raise Forbidden("which plan an app is on is not for developers to say; leave `plan` out")
        await self._apps.save(app)

    async def delete(self, app_id: str) -> None:
        if await self.get(app_id) is not None:
            await self._apps.delete(app_id)


class _SeenKeys(Generic[K]):
    def __init__(self, keys: K, apps: AppReader, owner: str | None) -> None:
        self._keys = keys
        self._apps = apps
        self._owner = owner

    async def get(self, key_id: str) -> KeyRecord | None:
        key = await self._keys.get(key_id)
        return key if key is not None and await self._is_seen(key) else None

    async def page(
        self, *, limit: int, after: str = "", app_id: str | None = None, owner: str | None = None
    ) -> Sequence[KeyRecord]:
        only = owner if self._owner is None else self._owner
        return await self._keys.page(limit=limit, after=after, app_id=app_id, owner=only)

    async def count_active(self, app_id: str, *, now: float, at_most: int) -> int:
        return await self._keys.count_active(app_id, now=now, at_most=at_most)

    async def unused(self, *, since: float, now: float, limit: int, after: str = "") -> Sequence[KeyRecord]:
        return await self._seen(await self._keys.unused(since=since, now=now, limit=limit, after=after))

    async def due(
        self, *, created_before: float, ends_before: float, now: float, limit: int, after: str = ""
    ) -> Sequence[KeyRecord]:
        found = await self._keys.due(
            created_before=created_before, ends_before=ends_before, now=now, limit=limit, after=after
        )
        return await self._seen(found)

    async def _seen(self, found: Sequence[KeyRecord]) -> Sequence[KeyRecord]:
        return [key for key in found if await self._is_seen(key)]

    async def _is_seen(self, key: KeyRecord) -> bool:
        return self._owner is None or await self._apps.get(key.app_id) is not None


class _OwnKeys(_SeenKeys[Keys]):
    def __init__(self, keys: Keys, apps: AppReader, actor: Actor) -> None:
        super().__init__(keys, apps, owner_of(actor))
        self._actor = actor

    async def save(self, key: KeyRecord) -> None:
        before = await self._keys.get(key.id)
        if self._owner is not None:
            for one in (key, before):
                if one is not None and not await self._is_seen(one):
                    raise Forbidden("the key belongs to an app of somebody else")
        if not _only_takes_away(before, key):
            refuse_beyond(self._actor, key)
        await self._keys.save(key)

    async def delete(self, key_id: str) -> None:
        if await self.get(key_id) is not None:
            await self._keys.delete(key_id)


def refuse_beyond(actor: Actor, key: KeyRecord) -> None:
    """Raises Forbidden for a key with more rights than the actor may hand on."""
    asked = (*key.scopes, *(grant.scope for grant in key.grants))
    beyond: list[str] = []
    if actor.scopes is not None:
        # A wildcard is covered by one that begins as it does.
        covered = ScopeSet(actor.scopes)
        beyond += [f"scope {scope}" for scope in asked if scope not in covered]
    if actor.roles is not None:
        beyond += [f"role {role}" for role in key.roles if role not in actor.roles]
    if beyond:
        raise Forbidden(f"keys with these rights are not yours to make or change: {', '.join(beyond)}")


def _only_takes_away(before: KeyRecord | None, after: KeyRecord) -> bool:
    """Whether nothing but its life changes, and that to less: a key can always be stopped."""
    if before is None or after.status == "active":
        return False
    return replace(before, status=after.status) == after


async def _refuse_changed(admins: AdminReader, actor: Actor) -> None:
    """Raises Forbidden where the actor is not any more who was admitted."""
    if actor.kind != "admin" or actor.id is None:
        return
    admin = await admins.get(actor.id)
    seen = (actor.name, actor.role, actor.scopes, actor.roles)
    if admin is None or admin.status != "active":
        raise Forbidden("the token was disabled a moment ago")
    if (admin.name, admin.role, admin.may_grant_scopes, admin.may_grant_roles) != seen:
        raise Forbidden("what the token may do has changed a moment ago; ask again")
