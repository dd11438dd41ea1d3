"""Networks of keys in memory, and what keys do now and did before: the twin of `adapters.sql.activity`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from gateway_auth.core.activity import HOUR_SECONDS, MAX_NETWORKS, Activity, Moment
from gateway_auth.core.network import format_neighbourhood
from gateway_auth.core.usage import UsageBatch, UsageRow


class MemoryNetworks:
    """When each network of a key was seen first and last."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, tuple[int, int]]] = {}

    def add(self, batch: UsageBatch) -> None:
        """Note where keys were used from."""
        for key_id, places in batch.networks.items():
            seen = self._seen.setdefault(key_id, {})
            for network in sorted(map(format_neighbourhood, places)):
                if network in seen or len(seen) < MAX_NETWORKS:
                    first, last = seen.get(network, (batch.at, batch.at))
                    seen[network] = (first, max(last, batch.at))

    def prune(self, before: float) -> None:
        """Forget those not used since a time (epoch seconds)."""
        for seen in self._seen.values():
            for network in [network for network, (_, last) in seen.items() if last < int(before)]:
                del seen[network]

    def activity(
        self, rows: Iterable[UsageRow], moment: Moment, *, limit: int, after: str, there: Collection[str]
    ) -> Sequence[Activity]:
        """Of the keys `there`. `rows` are their usage."""
        of_key: dict[str, list[UsageRow]] = {}
        for row in rows:
            if row.key_id > after and row.key_id in there:
                of_key.setdefault(row.key_id, []).append(row)
        used = [key_id for key_id, rows in of_key.items() if any(row.at >= moment.last_day for row in rows)]
        return [self._of_key(key_id, of_key[key_id], moment) for key_id in sorted(used)[:limit]]

    def _of_key(self, key_id: str, rows: Sequence[UsageRow], moment: Moment) -> Activity:
        recent = [row for row in rows if row.at >= moment.last_hour]
        past = [row for row in rows if moment.history <= row.at < moment.last_hour]
        hours: Counter[int] = Counter()
        for row in past:
            hours[row.at - row.at % HOUR_SECONDS] += row.count
        seen = self._seen.get(key_id, {})
        new = [(network, first) for network, (first, _) in sorted(seen.items()) if first >= moment.last_day]
        return Activity(
            key_id=key_id,
            count=sum(row.count for row in recent),
            refused=sum(row.count for row in recent if row.status_class == 4),
            past_count=sum(row.count for row in past),
            past_refused=sum(row.count for row in past if row.status_class == 4),
            busiest_hour=max(hours.values(), default=0),
            past_since=min(hours, default=None),
            networks=len(seen),
            networks_since=min((first for first, _ in seen.values()), default=None),
            new_networks=tuple(new),
        )
