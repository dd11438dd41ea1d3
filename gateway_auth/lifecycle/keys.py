"""What can be done with keys. Knows no command line, no HTTP and no database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from gateway_auth.core.actor import Actor
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.errors import Conflict, InvalidInput, NotFound
from gateway_auth.lifecycle.apps import existing_app
from gateway_auth.lifecycle.create_key import CreatedKey, KeyMint
from gateway_auth.lifecycle.events import key_event
from gateway_auth.lifecycle.input import (
    MAX_PAGE,
    NEVER,
    check_environment,
    check_id,
    check_page,
    check_scope,
    parse_duration,
)
from gateway_auth.lifecycle.key_fields import KeyFields, default_expiry, with_fields
from gateway_auth.lifecycle.key_states import disabled, enabled, granted, refuse_in_use, refuse_revoked, revoked
from gateway_auth.lifecycle.rotation import (
    DEFAULT_OVERLAP,
    RotatedKey,
    parse_overlap,
    refuse_not_rotatable,
    retired,
    successor,
)
from gateway_auth.lifecycle.verify_key import KeyCheck, check_key
from gateway_auth.ports import Clock, Random, Registry, Snapshot, Transaction

_AS_BEFORE = KeyFields()


class ManageKeys:
    """Keys, one operation per method.

    `actor` says who acts, for the audit. Every method raises StoreUnavailable for an outage,
    NotFound for an unknown id, InvalidInput for a value that cannot be, Conflict where the state forbids it.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        random: Random,
        *,
        key_format: KeyFormat,
        peppers: PepperRing,
        max_lifetime_days: int = 0,
        max_active_per_app: int = 0,
        accepts_imported: bool = False,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._format = key_format
        self._peppers = peppers
        self._mint = KeyMint(random, key_format, peppers, max_lifetime_days)
        self._max_active = max_active_per_app
        self._accepts_imported = accepts_imported

    async def create(self, actor: Actor, app_id: str, environment: str, fields: KeyFields) -> CreatedKey:
        """A new, active key of an active app. The answer is the only place its secret exists."""
        checked_environment = check_environment(environment)
        async with self._registry.transaction() as transaction:
            now = self._clock.now()
            app = await existing_app(transaction, app_id)
            _refuse_disabled(app)
            await self._refuse_too_many(transaction, app.id, now)
            record = self._mint.fresh(app.id, checked_environment, actor, fields, now)
            return await self._add(transaction, actor, record, now)

    async def rotate(
        self, actor: Actor, key_id: str, *, overlap: str = DEFAULT_OVERLAP, fields: KeyFields = _AS_BEFORE
    ) -> RotatedKey:
        """A second key with the same rights, while the first goes on working for the overlap (`7d`, `0`: not at all).

        `fields` are what is to differ. The answer is the only place the new secret exists.
        """
        seconds = parse_overlap(overlap)
        async with self._registry.transaction() as transaction:
            now = self._clock.now()
            before = await existing_key(transaction, key_id)
            after = await _save(transaction, actor, "rotate", before, retired(before, now, seconds), now)
            created = await self._add_successor(transaction, actor, before, fields, now)
        return RotatedKey(created, after)

    async def succeed(self, actor: Actor, key_id: str, fields: KeyFields = _AS_BEFORE) -> CreatedKey:
        """The first half of a rotation: the second key. The first goes on as if nothing had happened until `retire`."""
        async with self._registry.transaction() as transaction:
            now = self._clock.now()
            before = await existing_key(transaction, key_id)
            refuse_not_rotatable(before, now)
            return await self._add_successor(transaction, actor, before, fields, now)

    async def retire(self, actor: Actor, key_id: str, overlap: str = DEFAULT_OVERLAP) -> KeyRecord:
        """The second half of a rotation: the first key ends after the overlap."""
        seconds = parse_overlap(overlap)
        return await self._change(actor, "rotate", key_id, lambda key, now: retired(key, now, seconds))

    async def get(self, key_id: str) -> KeyRecord:
        """The key."""
        async with self._registry.reading() as snapshot:
            return await existing_key(snapshot, key_id)

    async def page(self, *, limit: int = 100, after: str = "", app_id: str | None = None) -> Sequence[KeyRecord]:
        """At most `limit` (1 to 1000) keys in order of id, of one app or of all. A short page is the last."""
        check_page(limit, after)
        async with self._registry.reading() as snapshot:
            if app_id is not None:
                await existing_app(snapshot, app_id)
            return await snapshot.keys.page(limit=limit, after=after, app_id=app_id)

    async def iterate(self, app_id: str | None = None) -> AsyncIterator[KeyRecord]:
        """Every key in order of id, read page by page: no transaction stays open in between."""
        page = await self.page(limit=MAX_PAGE, app_id=app_id)
        while page:
            for key in page:
                yield key
            is_last = len(page) < MAX_PAGE
            page = () if is_last else await self.page(limit=MAX_PAGE, after=page[-1].id, app_id=app_id)

    async def update(self, actor: Actor, key_id: str, fields: KeyFields) -> KeyRecord:
        """Set the fields given, also of a disabled or expired key."""

        def updated(key: KeyRecord, now: float) -> KeyRecord:
            refuse_revoked(key)
            return with_fields(key, fields, now, self._mint.max_lifetime_days)

        return await self._change(actor, "update", key_id, updated)

    async def disable(self, actor: Actor, key_id: str) -> KeyRecord:
        """Stop the key until it is enabled again. Nothing happens to one that is disabled."""
        return await self._change(actor, "disable", key_id, disabled)

    async def enable(self, actor: Actor, key_id: str) -> KeyRecord:
        """Let a disabled key work again, also one that a rotation ended. Nothing happens to one that is active."""
        async with self._registry.transaction() as transaction:
            before = await existing_key(transaction, key_id)
            now = self._clock.now()
            after = enabled(before, now)
            if after != before:
                await self._refuse_too_many(transaction, before.app_id, now)
            return await _save(transaction, actor, "enable", before, after, now)

    async def revoke(self, actor: Actor, key_id: str) -> KeyRecord:
        """Stop the key for good; it stays listed. Nothing happens to one that is revoked."""
        return await self._change(actor, "revoke", key_id, revoked)

    async def grant(self, actor: Actor, key_id: str, scope: str, expires_in: str) -> KeyRecord:
        """Add a scope for a time, or prolong it: a grant that ends later stays. Ended grants are dropped."""
        checked_scope = check_scope(scope)
        if expires_in == NEVER:
            raise InvalidInput("expires_in", "a grant has an end; update the key's scopes for a lasting one")
        seconds = parse_duration("expires_in", expires_in)
        return await self._change(
            actor, "grant", key_id, lambda key, now: granted(key, checked_scope, int(now) + seconds, now)
        )

    async def delete(self, actor: Actor, key_id: str, *, force: bool = False) -> KeyRecord:
        """Delete the key for good; the audit keeps its tombstone. `force`: also one that is still in use."""
        async with self._registry.transaction() as transaction:
            key = await existing_key(transaction, key_id)
            now = self._clock.now()
            if not force:
                refuse_in_use(key, now)
            await transaction.keys.delete(key.id)
            await transaction.record(key_event(now, actor, "delete", key, None))
        return key

    async def verify(self, presented_key: str) -> KeyCheck:
        """What a text is, for operators: one of our keys or not, the secret right or not, the key's state."""
        async with self._registry.reading() as snapshot:
            return await check_key(
                snapshot, presented_key, self._format, self._peppers, accepts_imported=self._accepts_imported
            )

    async def _refuse_too_many(self, transaction: Transaction, app_id: str, now: float) -> None:
        most = self._max_active
        if most and await transaction.keys.count_active(app_id, now=now, at_most=most) >= most:
            raise Conflict(
                f"app {app_id} has {most} active keys, as many as api_keys.max_active_per_app allows;"
                " rotate, disable or revoke one"
            )

    async def _add_successor(
        self, transaction: Transaction, actor: Actor, old: KeyRecord, fields: KeyFields, now: float
    ) -> CreatedKey:
        _refuse_disabled(await existing_app(transaction, old.app_id))
        blank = self._mint.blank(old.app_id, old.environment, actor, now)
        latest = default_expiry(blank.created_at, self._mint.max_lifetime_days)
        heir = with_fields(successor(old, blank, now, latest), fields, now, self._mint.max_lifetime_days)
        return await self._add(transaction, actor, heir, now)

    async def _add(self, transaction: Transaction, actor: Actor, record: KeyRecord, now: float) -> CreatedKey:
        created = self._mint.sealed(record, await self._mint.draw_unused(transaction.keys, record.environment))
        await transaction.keys.save(created.record)
        await transaction.record(key_event(now, actor, "create", None, created.record))
        return created

    async def _change(
        self, actor: Actor, action: str, key_id: str, change: Callable[[KeyRecord, float], KeyRecord]
    ) -> KeyRecord:
        async with self._registry.transaction() as transaction:
            before = await existing_key(transaction, key_id)
            now = self._clock.now()
            after = change(before, now)
            return await _save(transaction, actor, action, before, after, now)


async def _save(
    transaction: Transaction, actor: Actor, action: str, before: KeyRecord, after: KeyRecord, now: float
) -> KeyRecord:
    if after != before:
        await transaction.keys.save(after)
        await transaction.record(key_event(now, actor, action, before, after))
    return after


def _refuse_disabled(app: AppRecord) -> None:
    if app.status != "active":
        raise Conflict(f"app {app.id} is disabled; enable it before creating keys")


async def existing_key(snapshot: Snapshot, key_id: str) -> KeyRecord:
    """The key, or NotFound."""
    key = await snapshot.keys.get(check_id("key", key_id))
    if key is None:
        raise NotFound(f"there is no key {key_id}; `gateway-auth keys list` shows all")
    return key
