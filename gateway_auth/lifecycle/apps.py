"""What can be done with apps. Knows no command line, no HTTP and no database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gateway_auth.core.actor import Actor
from gateway_auth.core.keys import AppRecord
from gateway_auth.errors import InvalidInput, NotFound
from gateway_auth.lifecycle.events import app_event, key_event
from gateway_auth.lifecycle.ids import new_id
from gateway_auth.lifecycle.input import MAX_PAGE, check_id, check_page, check_text
from gateway_auth.ports import Clock, Random, Registry, Snapshot, Transaction


class AppFields(Struct, frozen=True, kw_only=True):
    """Fields of an app a caller may set. What is not given stays, or gets its default in a new app."""

    name: str | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    project: str | UnsetType = UNSET
    plan: str | UnsetType | None = UNSET


class ManageApps:
    """Apps, one operation per method. `plans` are the names the configuration defines.

    `actor` says who acts, for the audit. Every method raises StoreUnavailable for an outage,
    NotFound for an unknown id, InvalidInput for a value that cannot be.
    """

    def __init__(self, registry: Registry, clock: Clock, random: Random, plans: Collection[str] = ()) -> None:
        self._registry = registry
        self._clock = clock
        self._random = random
        self._plans = plans

    async def create(self, actor: Actor, fields: AppFields) -> AppRecord:
        """A new, active app. Its name is required and need not be unique."""
        async with self._registry.transaction() as transaction:
            now = self._clock.now()
            blank = AppRecord(id=new_id("app", self._random), name="", created_at=int(now), created_by=str(actor))
            app = self._with_fields(blank, fields)
            check_text("name", app.name, may_be_empty=False)
            await transaction.apps.save(app)
            await transaction.record(app_event(now, actor, "create", None, app))
        return app

    async def get(self, app_id: str) -> AppRecord:
        """The app."""
        async with self._registry.reading() as snapshot:
            return await existing_app(snapshot, app_id)

    async def page(self, *, limit: int = 100, after: str = "") -> Sequence[AppRecord]:
        """At most `limit` (1 to 1000) apps in order of id, those after an id. A short page is the last."""
        check_page(limit, after)
        async with self._registry.reading() as snapshot:
            return await snapshot.apps.page(limit=limit, after=after)

    async def iterate(self) -> AsyncIterator[AppRecord]:
        """Every app in order of id, read page by page: no transaction stays open in between."""
        page = await self.page(limit=MAX_PAGE)
        while page:
            for app in page:
                yield app
            page = await self.page(limit=MAX_PAGE, after=page[-1].id) if len(page) == MAX_PAGE else ()

    async def update(self, actor: Actor, app_id: str, fields: AppFields) -> AppRecord:
        """Set the fields given."""
        async with self._registry.transaction() as transaction:
            before = await existing_app(transaction, app_id)
            return await self._save(transaction, actor, "update", before, self._with_fields(before, fields))

    async def disable(self, actor: Actor, app_id: str) -> AppRecord:
        """Stop all keys of the app until it is enabled again. Nothing happens to one that is disabled."""
        return await self._set_status(actor, "disable", app_id, "disabled")

    async def enable(self, actor: Actor, app_id: str) -> AppRecord:
        """Let its keys work again, each as its own status says. Nothing happens to one that is active."""
        return await self._set_status(actor, "enable", app_id, "active")

    async def delete(self, actor: Actor, app_id: str) -> AppRecord:
        """Delete the app and all its keys for good; the audit keeps a tombstone of each."""
        async with self._registry.transaction() as transaction:
            app = await existing_app(transaction, app_id)
            now = self._clock.now()
            while keys := await transaction.keys.page(limit=MAX_PAGE, app_id=app.id):
                for key in keys:
                    await transaction.keys.delete(key.id)
                    await transaction.record(key_event(now, actor, "delete", key, None))
            await transaction.apps.delete(app.id)
            await transaction.record(app_event(now, actor, "delete", app, None))
        return app

    async def _set_status(
        self, actor: Actor, action: str, app_id: str, status: Literal["active", "disabled"]
    ) -> AppRecord:
        async with self._registry.transaction() as transaction:
            before = await existing_app(transaction, app_id)
            return await self._save(transaction, actor, action, before, replace(before, status=status))

    async def _save(
        self, transaction: Transaction, actor: Actor, action: str, before: AppRecord, after: AppRecord
    ) -> AppRecord:
        if after != before:
            await transaction.apps.save(after)
            await transaction.record(app_event(self._clock.now(), actor, action, before, after))
        return after

    def _with_fields(self, app: AppRecord, fields: AppFields) -> AppRecord:
        if fields.plan is not UNSET and fields.plan is not None and fields.plan not in self._plans:
            known = ", ".join(sorted(self._plans)) or "none"
            raise InvalidInput("plan", f"is not one the configuration defines ({known})")
        return replace(
            app,
            name=app.name if fields.name is UNSET else check_text("name", fields.name, may_be_empty=False),
            owner=app.owner if fields.owner is UNSET else check_text("owner", fields.owner),
            project=app.project if fields.project is UNSET else check_text("project", fields.project),
            plan=app.plan if fields.plan is UNSET else fields.plan,
        )


async def existing_app(snapshot: Snapshot, app_id: str) -> AppRecord:
    """The app, or NotFound."""
    app = await snapshot.apps.get(check_id("app", app_id))
    if app is None:
        raise NotFound(f"there is no app {app_id}")
    return app
