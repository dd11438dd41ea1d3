"""The imported keys of one transaction on the store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from gateway_auth.adapters.memory_records import MemoryKeys
from gateway_auth.core.imported import ImportedKey, Upgrade


class MemoryImported:
    """ports.Imported. `written` is what this transaction wrote over what is there."""

    def __init__(self, there: Mapping[str, ImportedKey], keys: MemoryKeys) -> None:
        self._there = there
        self._keys = keys
        self.written: dict[str, ImportedKey] = {}

    async def find(self, lookups: Sequence[bytes]) -> Sequence[ImportedKey]:
        """Those found by any of the digests."""
        everything = {**self._there, **self.written}.values()
        found = [entry for entry in everything if entry.lookup in lookups]
        return [entry for entry in found if await self._keys.get(entry.key_id) is not None]

    async def save(self, imported: ImportedKey) -> None:
        """Add one; its key is saved already."""
        self.written[imported.key_id] = imported

    async def upgrade(self, upgrade: Upgrade) -> None:
        """Unless somebody has done it meanwhile, or the key is gone."""
        key = await self._keys.get(upgrade.before.key_id)
        if key is None or upgrade.before not in await self.find([upgrade.before.lookup]):
            return
        await self._keys.save(replace(key, digest=upgrade.digest, pepper_id=upgrade.pepper_id))
        await self.save(ImportedKey(key_id=key.id, lookup=upgrade.lookup, pepper_id=upgrade.pepper_id))
