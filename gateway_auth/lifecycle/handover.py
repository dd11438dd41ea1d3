"""Rotation with nobody watching: new keys go straight to whatever hands them out; what does not arrive is undone.

The old key is told to end only when its successor has arrived. Whatever dies in between leaves it as it was, and the
next run replaces it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from msgspec import Struct

from gateway_auth.core.actor import Actor
from gateway_auth.core.keys import KeyRecord
from gateway_auth.errors import Conflict, HandoverFailed, NotFound, StoreUnavailable
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.keys import ManageKeys
from gateway_auth.lifecycle.rotation import DEFAULT_OVERLAP, RotatedKey, parse_overlap

_AS_BEFORE = KeyFields()


class Courier(Protocol):
    """Takes a new key to where it is used. It is the only one who ever sees the secret."""

    async def deliver(self, created: CreatedKey) -> None:
        """Raises HandoverFailed unless the key has arrived."""
        ...


class Handover(Struct, frozen=True):
    """What became of one key: `new` is its successor, None where it was not replaced and `failure` says why."""

    old: KeyRecord
    new: KeyRecord | None
    failure: str | None = None


class HandOver:
    """Rotates keys through a courier. Raises StoreUnavailable; what was handed over until then stays so."""

    def __init__(self, keys: ManageKeys, courier: Courier) -> None:
        self._keys = keys
        self._courier = courier

    async def rotate_all(
        self, actor: Actor, due: Iterable[KeyRecord], *, overlap: str = DEFAULT_OVERLAP
    ) -> AsyncIterator[Handover]:
        """One after the other: each key is replaced and its successor delivered, or is afterwards as it was before."""
        for key in due:
            try:
                rotated = await self.rotate(actor, key.id, overlap=overlap)
            except (Conflict, NotFound, HandoverFailed) as error:
                # It did not arrive; or somebody was quicker, or its app is disabled.
                yield Handover(key, None, str(error))
            else:
                yield Handover(rotated.retiring, rotated.created.record)

    async def rotate(
        self, actor: Actor, key_id: str, *, overlap: str = DEFAULT_OVERLAP, fields: KeyFields = _AS_BEFORE
    ) -> RotatedKey:
        """Like `ManageKeys.rotate`, and delivered. Raises HandoverFailed where it was not: nothing has changed then."""
        parse_overlap(overlap)
        old = await self._keys.get(key_id)
        created = await self._keys.succeed(actor, key_id, fields)
        try:
            await self._courier.deliver(created)
        except BaseException:
            await self._undo(actor, created.record)
            raise
        return RotatedKey(created, await self._retire(actor, old, overlap))

    async def _retire(self, actor: Actor, old: KeyRecord, overlap: str) -> KeyRecord:
        try:
            return await self._keys.retire(actor, old.id, overlap)
        except (Conflict, NotFound):
            # Somebody has ended or deleted it meanwhile. Its successor is in use by now, and stays.
            return old

    async def _undo(self, actor: Actor, new: KeyRecord) -> None:
        """Nobody holds the new key, or nobody knows who does: it must never work."""
        try:
            await self._keys.revoke(actor, new.id)
        except StoreUnavailable as error:
            raise StoreUnavailable(f"key {new.id} did not arrive and could not be revoked, do so: {error}") from error
