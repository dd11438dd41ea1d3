"""Deliveries of webhooks in tables. Knows no HTTP and no event."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Executable, bindparam, delete, insert, select, text, update

from gateway_auth.adapters.sql import schema
from gateway_auth.adapters.sql.failures import translated
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.statements import number_in
from gateway_auth.adapters.sql.store import SqlStore
from gateway_auth.core.webhook import Delivery

_TABLE = schema.deliveries
_CURSORS = schema.webhook_cursors
_FIELDS = Delivery.__struct_fields__
_ADD = text(
    f"INSERT INTO deliveries ({', '.join(_FIELDS)}) VALUES ({', '.join(f':{name}' for name in _FIELDS)})"  # noqa: S608 - names of ours
    " ON CONFLICT (id) DO NOTHING"
)
_FIRST_CURSOR = text(
    "INSERT INTO webhook_cursors (webhook_id, seq) VALUES (:webhook_id, :seq) ON CONFLICT (webhook_id) DO NOTHING"
)


class SqlOutbox:
    """ports.webhooks.Outbox over the tables of a store."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    async def cursor(self, webhook_id: str) -> int | None:
        """Up to which audit record events were made; None for a webhook not seen before."""
        async with self._store.looking() as guarded:
            found = (await guarded.run(select(_CURSORS.c.seq).where(_CURSORS.c.webhook_id == webhook_id))).all()
        return number_in(found[0][0]) if found else None

    async def advance(self, webhook_id: str, after: int | None, upto: int, deliveries: Sequence[Delivery]) -> bool:
        """Move the cursor and add the deliveries, both or neither; false where somebody else has moved it."""
        async with self._store.writing() as guarded:
            if after is None:
                moved = await guarded.run(_FIRST_CURSOR, {"webhook_id": webhook_id, "seq": upto})
            else:
                at = (_CURSORS.c.webhook_id == webhook_id) & (_CURSORS.c.seq == after)
                moved = await guarded.run(update(_CURSORS).where(at).values(seq=upto))
            if moved.rowcount != 1:
                return False
            if deliveries:
                await guarded.run(insert(_TABLE), [msgspec.structs.asdict(one) for one in deliveries])
            await guarded.commit()
            return True

    async def add(self, deliveries: Sequence[Delivery]) -> int:
        """Add those whose id is not known yet; returns how many."""
        added = 0
        async with self._store.writing() as guarded:
            for one in deliveries:
                added += (await guarded.run(_ADD, msgspec.structs.asdict(one))).rowcount
            await guarded.commit()
        return added

    async def claim(self, webhook_ids: Collection[str], now: float, until: float, limit: int) -> Sequence[Delivery]:
        """Those of these webhooks that are due, for this caller alone until a time."""
        theirs = _TABLE.c.webhook_id.in_(sorted(webhook_ids))
        due = select(_TABLE.c.id).where(_TABLE.c.status == "waiting", _TABLE.c.next_at <= now, theirs)
        chosen = due.order_by(_TABLE.c.next_at).limit(limit).with_for_update(skip_locked=True)
        claim = update(_TABLE).where(_TABLE.c.id.in_(chosen.scalar_subquery())).values(next_at=until)
        async with self._store.writing() as guarded:
            found = await _deliveries(guarded, claim.returning(*_TABLE.c))
            await guarded.commit()
        return found

    async def settle(self, delivery: Delivery) -> None:
        """Keep how an attempt ended."""
        statement = update(_TABLE).where(_TABLE.c.id == bindparam("of"))
        async with self._store.writing() as guarded:
            await guarded.run(statement, {**msgspec.structs.asdict(delivery), "of": delivery.id})
            await guarded.commit()

    async def page(self, *, status: str | None, limit: int, after: str = "") -> Sequence[Delivery]:
        """Deliveries in order of id, of one status or of all."""
        query = select(_TABLE).where(_TABLE.c.id > after).order_by(_TABLE.c.id).limit(limit)
        async with self._store.looking() as guarded:
            return await _deliveries(guarded, query if status is None else query.where(_TABLE.c.status == status))

    async def get(self, delivery_id: str) -> Delivery | None:
        """The delivery."""
        async with self._store.looking() as guarded:
            found = await _deliveries(guarded, select(_TABLE).where(_TABLE.c.id == delivery_id))
        return found[0] if found else None

    async def prune_deliveries(self, before: float) -> int:
        """Forget those created before a time, whatever became of them; returns how many."""
        async with self._store.writing() as guarded:
            gone = delete(_TABLE).where(_TABLE.c.created_at < before)
            count = (await guarded.run(gone)).rowcount
            await guarded.commit()
        return count


async def _deliveries(guarded: Guarded, query: Executable) -> list[Delivery]:
    rows = (await guarded.run(query)).all()
    with translated(guarded.explain):
        return [msgspec.convert(dict(zip(_FIELDS, row, strict=True)), Delivery) for row in rows]
