"""What keys do now and did before, read from usage and networks. It judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import BigInteger, Executable, case, cast, delete, func, select, text

from gateway_auth.adapters.sql import schema
from gateway_auth.adapters.sql.guarded import Guarded
from gateway_auth.adapters.sql.rows import Column, Row
from gateway_auth.adapters.sql.statements import number_in
from gateway_auth.core.activity import HOUR_SECONDS, MAX_NETWORKS, Activity, Moment
from gateway_auth.core.network import format_neighbourhood
from gateway_auth.core.usage import UsageBatch

_USAGE = schema.usage
_NETWORKS = schema.key_networks
# Both databases know this form. PostgreSQL takes a parameter without a type in a SELECT for text.
_ADD = text(
    "INSERT INTO key_networks (key_id, network, first_at, last_at)"
    " SELECT CAST(:key_id AS VARCHAR(64)), CAST(:network AS VARCHAR(64)), CAST(:at AS BIGINT), CAST(:at AS BIGINT)"
    " WHERE (SELECT COUNT(*) FROM key_networks WHERE key_id = CAST(:key_id AS VARCHAR(64))) < CAST(:most AS BIGINT)"
    " OR EXISTS (SELECT 1 FROM key_networks"
    " WHERE key_id = CAST(:key_id AS VARCHAR(64)) AND network = CAST(:network AS VARCHAR(64)))"
    " ON CONFLICT (key_id, network) DO UPDATE SET last_at = CASE WHEN excluded.last_at > key_networks.last_at"
    " THEN excluded.last_at ELSE key_networks.last_at END"
)


async def add_networks(guarded: Guarded, batch: UsageBatch) -> None:
    """Note where keys were used from, at most `MAX_NETWORKS` of each. In order, as usage is added."""
    rows: list[Mapping[str, Column]] = [
        {"key_id": key_id, "network": network, "at": batch.at, "most": MAX_NETWORKS}
        for key_id, places in sorted(batch.networks.items())
        for network in sorted(map(format_neighbourhood, places))
    ]
    if rows:
        await guarded.run(_ADD, rows)


async def prune_networks(guarded: Guarded, before: float) -> None:
    """Forget networks a key was not used from since a time (epoch seconds)."""
    await guarded.run(delete(_NETWORKS).where(_NETWORKS.c.last_at < int(before)))


async def key_activity(
    guarded: Guarded, moment: Moment, *, limit: int, after: str, owner: str | None
) -> Sequence[Activity]:
    """The keys there are that were used within the last day, in order of id."""
    keys = schema.keys
    there = select(keys.c.id) if owner is None else select(keys.c.id).join(schema.apps)
    there = there if owner is None else there.where(schema.apps.c.owner == owner)
    query = (
        select(_USAGE.c.key_id)
        .where(_USAGE.c.at >= moment.last_day, _USAGE.c.key_id > after, _USAGE.c.key_id.in_(there))
        .distinct()
        .order_by(_USAGE.c.key_id)
        .limit(limit)
    )
    ids = [str(row[0]) for row in (await guarded.run(query)).all()]
    if not ids:
        return []
    recent = await _by_key(guarded, _recent(ids, moment))
    past = await _by_key(guarded, _past(ids, moment))
    places = await _by_key(guarded, _places(ids))
    new: dict[str, list[tuple[str, int]]] = {}
    for key_id, network, first_at in (await guarded.run(_new(ids, moment))).all():
        new.setdefault(str(key_id), []).append((str(network), number_in(first_at)))
    return [_activity(key_id, recent, past, places, tuple(new.get(key_id, ()))) for key_id in ids]


def _activity(
    key_id: str,
    recent: Mapping[str, Row],
    past: Mapping[str, Row],
    places: Mapping[str, Row],
    new: tuple[tuple[str, int], ...],
) -> Activity:
    count, refused = map(number_in, recent.get(key_id, (0, 0)))
    busiest, past_count, past_refused, since = past.get(key_id, (0, 0, 0, None))
    networks, networks_since = places.get(key_id, (0, None))
    return Activity(
        key_id=key_id,
        count=count,
        refused=refused,
        past_count=number_in(past_count),
        past_refused=number_in(past_refused),
        busiest_hour=number_in(busiest),
        past_since=None if since is None else number_in(since),
        networks=number_in(networks),
        networks_since=None if networks_since is None else number_in(networks_since),
        new_networks=new,
    )


async def _by_key(guarded: Guarded, query: Executable) -> dict[str, Row]:
    return {str(row[0]): row[1:] for row in (await guarded.run(query)).all()}


_COUNT = cast(func.sum(_USAGE.c.count), BigInteger)
_REFUSED = cast(func.sum(case((_USAGE.c.status_class == 4, _USAGE.c.count), else_=0)), BigInteger)


def _recent(ids: Iterable[str], moment: Moment) -> Executable:
    of = (_USAGE.c.key_id.in_(ids), _USAGE.c.at >= moment.last_hour)
    return select(_USAGE.c.key_id, _COUNT, _REFUSED).where(*of).group_by(_USAGE.c.key_id)


def _past(ids: Iterable[str], moment: Moment) -> Executable:
    at = _USAGE.c.at
    hour = (at - at % HOUR_SECONDS).label("hour")
    hours = (
        select(_USAGE.c.key_id, hour, _COUNT.label("count"), _REFUSED.label("refused"))
        .where(_USAGE.c.key_id.in_(ids), at >= moment.history, at < moment.last_hour)
        .group_by(_USAGE.c.key_id, hour)
        .subquery()
    )
    sums = (cast(func.sum(hours.c.count), BigInteger), cast(func.sum(hours.c.refused), BigInteger))
    return select(hours.c.key_id, func.max(hours.c.count), *sums, func.min(hours.c.hour)).group_by(hours.c.key_id)


def _places(ids: Iterable[str]) -> Executable:
    columns = _NETWORKS.c
    sums = (func.count(), func.min(columns.first_at))
    return select(columns.key_id, *sums).where(columns.key_id.in_(ids)).group_by(columns.key_id)


def _new(ids: Iterable[str], moment: Moment) -> Executable:
    columns = _NETWORKS.c
    wanted = select(columns.key_id, columns.network, columns.first_at)
    return wanted.where(columns.key_id.in_(ids), columns.first_at >= moment.last_day).order_by(columns.network)
