"""Rotation with nobody watching: new keys go straight to whatever hands them out; what does not arrive is undone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from msgspec import Struct

from gateway_auth.core.actor import Actor
from gateway_auth.core.keys import KeyRecord
from gateway_auth.errors import Conflict, HandoverFailed
from gateway_auth.lifecycle.keys import ManageKeys
from gateway_auth.lifecycle.rotation import DEFAULT_OVERLAP, RotatedKey


class Courier(Protocol):
    """Takes a new key to where it is used. It is the only one who ever sees the secret."""

    async def deliver(self, rotated: RotatedKey) -> None:
        """Raises HandoverFailed unless the key has arrived."""
        ...


class Handover(Struct, frozen=True):
    """What became of one key: `new` is its successor, None where it was not replaced and `failure` says why."""

    old: KeyRecord
    new: KeyRecord | None
    failure: str | None = None


class HandOver:
    """Rotates keys one after the other. Raises StoreUnavailable; what was handed over until then stays so."""

    def __init__(self, keys: ManageKeys, courier: Courier) -> None:
        self._keys = keys
        self._courier = courier

    async def rotate(
        self, actor: Actor, due: Iterable[KeyRecord], *, overlap: str = DEFAULT_OVERLAP
    ) -> AsyncIterator[Handover]:
        """Each key is replaced and its successor delivered, or is afterwards as it was before."""
        for key in due:
            yield await self._replace(actor, key, overlap)

    async def _replace(self, actor: Actor, key: KeyRecord, overlap: str) -> Handover:
        try:
            rotated = await self._keys.rotate(actor, key.id, overlap=overlap)
        except Conflict as error:
            # Somebody was quicker, or its app is disabled.
            return Handover(key, None, str(error))
        try:
            await self._courier.deliver(rotated)
        except BaseException as error:
            await self._undo(actor, rotated)
            if not isinstance(error, HandoverFailed):
                raise
            return Handover(key, None, str(error))
        return Handover(rotated.retiring, rotated.created.record)

    async def _undo(self, actor: Actor, rotated: RotatedKey) -> None:
        """Nobody holds the new key, or nobody knows who does: it must never work. The old one goes on."""
        await self._keys.revoke(actor, rotated.created.record.id)
        await self._keys.enable(actor, rotated.retiring.id)
