"""Usage in tables: adding batches, reading sums, and forgetting. Knows no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import BigInteger, and_, bindparam, cast, delete, func, or_, select, text, update

from gateway_auth.adapters.sql import schema
from gateway_auth.adapters.sql.activity import add_networks, prune_networks
from gateway_auth.adapters.sql.failures import translated
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.rows import Column
from gateway_auth.core.usage import UsageBatch, UsageQuestion, UsageRow

HOUR_SECONDS = 3600
_FIELDS = UsageRow.__struct_fields__

_USAGE = schema.usage
# Both databases know this form; SQLAlchemy spells it for each of them apart.
_ADD = text(
    "INSERT INTO usage (key_id, at, route, status_class, count) VALUES (:key_id, :at, :route, :status_class, :count)"
    " ON CONFLICT (key_id, at, route, status_class) DO UPDATE SET count = usage.count + excluded.count"
)
_BY_THE_HOUR = text(
    "INSERT INTO usage (key_id, at, route, status_class, count)"
    " SELECT key_id, at - at % 3600, route, status_class, SUM(count) FROM usage"
    " WHERE at < :before AND at % 3600 <> 0 GROUP BY key_id, at - at % 3600, route, status_class"
    " ON CONFLICT (key_id, at, route, status_class) DO UPDATE SET count = usage.count + excluded.count"
)
# Whoever changes the key right now knows better, or deletes it; waiting for one another could end in a deadlock.
_FREE = select(schema.keys.c.id).where(schema.keys.c.id == bindparam("key_id")).with_for_update(skip_locked=True)
_LAST_USED = (
    update(schema.keys)
    .where(
        schema.keys.c.id == _FREE.scalar_subquery(),
        or_(schema.keys.c.last_used_at.is_(None), schema.keys.c.last_used_at <= bindparam("used_at")),
    )
    .values(last_used_at=bindparam("used_at"), last_used_address=bindparam("used_address"))
)


async def add_usage(guarded: Guarded, batch: UsageBatch) -> None:
    """Add to what there is. Rows go in order, so that two who add at once do not wait for one another."""
    rows: list[Mapping[str, Column]] = [
        {"key_id": key_id, "at": batch.at, "route": route, "status_class": status_class, "count": count}
        for (key_id, route, status_class), count in sorted(batch.counts.items())
    ]
    if rows:
        await guarded.run(_ADD, rows)
    used: list[Mapping[str, Column]] = [
        {"key_id": key_id, "used_at": at, "used_address": address}
        for key_id, (at, address) in sorted(batch.last_used.items())
    ]
    if used:
        await guarded.run(_LAST_USED, used)
    await add_networks(guarded, batch)


async def prune_usage(guarded: Guarded, *, minutes_before: float, all_before: float) -> None:
    """Keep what is older than `minutes_before` by the hour, and nothing older than `all_before` (epoch seconds)."""
    at = _USAGE.c.at
    hour = int(minutes_before) // HOUR_SECONDS * HOUR_SECONDS
    await guarded.run(delete(_USAGE).where(at < int(all_before)))
    await prune_networks(guarded, all_before)
    await guarded.run(_BY_THE_HOUR, {"before": hour})
    await guarded.run(delete(_USAGE).where(at < hour, at % HOUR_SECONDS != 0))


async def usage_sums(guarded: Guarded, question: UsageQuestion) -> Sequence[UsageRow]:
    """Sums by bucket, key, route and status class, oldest first."""
    columns = _USAGE.c
    bucket = (columns.at - columns.at % question.bucket_seconds).label("bucket")
    chosen = [columns.at >= question.since, columns.at < question.until]
    if question.key_id is not None:
        chosen.append(columns.key_id == question.key_id)
    if question.app_id is not None:
        of_app = select(schema.keys.c.id).where(schema.keys.c.app_id == question.app_id)
        chosen.append(columns.key_id.in_(of_app))
    if question.owner is not None:
        of_owner = select(schema.keys.c.id).join(schema.apps).where(schema.apps.c.owner == question.owner)
        chosen.append(columns.key_id.in_(of_owner))
    group = (bucket, columns.key_id, columns.route, columns.status_class)
    count = cast(func.sum(columns.count), BigInteger).label("count")
    query = select(*group, count).where(and_(*chosen)).group_by(*group).order_by(*group).limit(question.limit)
    found = (await guarded.run(query)).all()
    with translated(guarded.explain):
        return [msgspec.convert(dict(zip(_FIELDS, row, strict=True)), UsageRow) for row in found]
