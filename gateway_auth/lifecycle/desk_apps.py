"""Apps, as one actor may handle them."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.bounds import owner_of
from gateway_auth.lifecycle.once import CreatedBefore, answer_of
from gateway_auth.lifecycle.views import View, app_view
from gateway_auth.lifecycle.workplace import Made, Workplace


class AppDesk:
    """`ManageApps` for one actor."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        # An app's id is no secret, and is drawn anew for each attempt.
        self._apps = ManageApps(place.registry, place.tools.clock, place.tools.random, place.tools.plans)

    async def page(self, *, limit: int, after: str) -> list[View]:
        """A page of the apps the actor sees, in order of id."""
        self._place.may("app.read")
        return [app_view(app) for app in await self._apps.page(limit=limit, after=after)]

    async def get(self, app_id: str) -> View:
        """One app."""
        self._place.may("app.read")
        return app_view(await self._apps.get(app_id))

    async def create(self, fields: AppFields) -> Made:
        """A new app; a developer's is its own without being told so."""
        self._place.may("app.create")
        if fields.owner is UNSET:
            fields = replace(fields, owner=owner_of(self._place.actor) or "")
        try:
            return Made(app_view(await self._apps.create(self._place.actor, fields)))
        except CreatedBefore as before:
            return Made(answer_of(before.creation), is_repeated=True)

    async def update(self, app_id: str, fields: AppFields) -> View:
        """Set fields of an app."""
        self._place.may("app.update")
        return app_view(await self._apps.update(self._place.actor, app_id, fields))

    async def disable(self, app_id: str) -> View:
        """Stop all its keys."""
        self._place.may("app.disable")
        return app_view(await self._apps.disable(self._place.actor, app_id))

    async def enable(self, app_id: str) -> View:
        """Let its keys work again."""
        self._place.may("app.enable")
        return app_view(await self._apps.enable(self._place.actor, app_id))

    async def delete(self, app_id: str) -> None:
        """Delete it with its keys."""
        self._place.may("app.delete")
        await self._apps.delete(self._place.actor, app_id)
