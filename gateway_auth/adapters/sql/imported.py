"""Keys that were issued elsewhere, in the store: finding, saving, and what becomes of one when it is used first."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import insert, select, update

from gateway_auth.adapters.sql.failures import translated
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.rows import Row
from gateway_auth.adapters.sql.schema import imported_keys, keys
from gateway_auth.core.imported import ImportedKey, Upgrade

MAX_FOUND = 4
"""Of how many that begin alike a slow hash is compared at most."""


class SqlImported:
    """ports.Imported."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded

    async def find(self, lookups: Sequence[bytes]) -> Sequence[ImportedKey]:
        """Those found by any of the digests."""
        query = select(imported_keys).where(imported_keys.c.lookup.in_(lookups)).limit(MAX_FOUND)
        rows = (await self._guarded.run(query)).all()
        with translated(self._guarded.explain):
            return [_read(tuple(row)) for row in rows]

    async def save(self, imported: ImportedKey) -> None:
        """Add one; its key is saved already."""
        await self._guarded.run(insert(imported_keys), msgspec.structs.asdict(imported))

    async def upgrade(self, upgrade: Upgrade) -> None:
        """Unless somebody has done it meanwhile, or the key is gone."""
        before = upgrade.before
        changed = await self._guarded.run(
            update(imported_keys)
            .where(imported_keys.c.key_id == before.key_id, imported_keys.c.lookup == before.lookup)
            .values(lookup=upgrade.lookup, pepper_id=upgrade.pepper_id, hash_kind=None, hash="")
        )
        if changed.rowcount:
            values = {"digest": upgrade.digest, "pepper_id": upgrade.pepper_id}
            await self._guarded.run(update(keys).where(keys.c.id == before.key_id).values(values))


def _read(row: Row) -> ImportedKey:
    fields = dict(zip(ImportedKey.__struct_fields__, row, strict=True))
    return msgspec.convert(fields, ImportedKey, builtin_types=(bytes,))
