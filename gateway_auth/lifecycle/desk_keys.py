"""Keys, as one actor may handle them."""

from __future__ import annotations

from gateway_auth.core.creations import Creation
from gateway_auth.core.keys import KeyRecord
from gateway_auth.errors import Conflict
from gateway_auth.lifecycle.create_key import DRAWS, CreatedKey, KeyMint
from gateway_auth.lifecycle.input import check_environment
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys
from gateway_auth.lifecycle.once import CreatedBefore, RepeatableRandom, answer_of
from gateway_auth.lifecycle.rotation import DEFAULT_OVERLAP
from gateway_auth.lifecycle.verify_key import check_view
from gateway_auth.lifecycle.views import View, key_view
from gateway_auth.lifecycle.workplace import Made, Workplace


class KeyDesk:
    """`ManageKeys` for one actor."""

    def __init__(self, place: Workplace) -> None:
        tools = place.tools
        self._place = place
        self._keys = ManageKeys(
            place.registry,
            tools.clock,
            place.random,
            key_format=tools.key_format,
            peppers=tools.peppers,
            max_lifetime_days=tools.max_lifetime_days,
            max_active_per_app=tools.max_active_per_app,
            accepts_imported=tools.accepts_imported,
        )

    async def page(self, *, limit: int, after: str, app_id: str | None = None) -> list[View]:
        """A page of the keys the actor sees, in order of id, of one app or of all."""
        self._place.may("key.read")
        return [self._view(key) for key in await self._keys.page(limit=limit, after=after, app_id=app_id)]

    async def get(self, key_id: str) -> View:
        """One key."""
        self._place.may("key.read")
        return self._view(await self._keys.get(key_id))

    async def create(self, app_id: str, environment: str, fields: KeyFields) -> Made:
        """A new key."""
        self._place.may("key.create")
        try:
            return self._made(await self._keys.create(self._place.actor, app_id, environment, fields))
        except CreatedBefore as before:
            return self._made_again(before.creation)

    async def rotate(self, key_id: str, fields: KeyFields, *, overlap: str = DEFAULT_OVERLAP) -> Made:
        """A second key in place of this one."""
        self._place.may("key.rotate")
        try:
            rotated = await self._keys.rotate(self._place.actor, key_id, overlap=overlap, fields=fields)
        except CreatedBefore as before:
            return self._made_again(before.creation)
        return self._made(rotated.created)

    async def update(self, key_id: str, fields: KeyFields) -> View:
        """Set fields of a key."""
        self._place.may("key.update")
        return self._view(await self._keys.update(self._place.actor, key_id, fields))

    async def disable(self, key_id: str) -> View:
        """Stop it."""
        self._place.may("key.disable")
        return self._view(await self._keys.disable(self._place.actor, key_id))

    async def enable(self, key_id: str) -> View:
        """Let it work again."""
        self._place.may("key.enable")
        return self._view(await self._keys.enable(self._place.actor, key_id))

    async def revoke(self, key_id: str) -> View:
        """Stop it for good."""
        self._place.may("key.revoke")
        return self._view(await self._keys.revoke(self._place.actor, key_id))

    async def grant(self, key_id: str, scope: str, expires_in: str) -> View:
        """One more scope, for a time."""
        self._place.may("key.grant")
        return self._view(await self._keys.grant(self._place.actor, key_id, scope, expires_in))

    async def delete(self, key_id: str, *, force: bool = False) -> None:
        """Delete it."""
        self._place.may("key.delete")
        await self._keys.delete(self._place.actor, key_id, force=force)

    async def verify(self, presented_key: str) -> View:
        """What a text is. A key the actor does not see is as unknown as one that is not there."""
        self._place.may("key.verify")
        return check_view(await self._keys.verify(presented_key), self._place.tools.clock.now())

    def _view(self, key: KeyRecord) -> View:
        return key_view(key, self._place.tools.clock.now())

    def _made(self, created: CreatedKey) -> Made:
        return Made(self._view(created.record), created.text)

    def _made_again(self, creation: Creation) -> Made:
        """The same answer as the first time, its secret drawn again."""
        tools, once = self._place.tools, self._place.once
        assert once is not None  # noqa: S101 - only then is anything remembered
        view = answer_of(creation)
        repeated = RepeatableRandom(once, creation.salt, tools.peppers)
        mint = KeyMint(repeated, tools.key_format, tools.peppers, tools.max_lifetime_days)
        for _ in range(DRAWS):
            minted = mint.draw(check_environment(str(view["environment"])))
            if minted.key_id == creation.object_id:
                return Made(view, minted.text, is_repeated=True)
        raise Conflict(
            f"key {creation.object_id} was created by this request, and cannot be shown again: the pepper, the key"
            " prefix or your token is another one by now; rotate it or revoke it"
        )
