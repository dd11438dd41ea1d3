"""Usage in memory: the twin of `adapters.sql.usage`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gateway_auth.core.usage import UsageBatch, UsageQuestion, UsageRow

HOUR_SECONDS = 3600

_Bucket = tuple[int, str, str, int]


class MemoryUsage:
    """Counts by bucket, key, route and status class."""

    def __init__(self) -> None:
        self._counts: Counter[_Bucket] = Counter()

    def add(self, batch: UsageBatch) -> None:
        """Add to what there is."""
        for mark, count in batch.counts.items():
            self._counts[(batch.at, *mark)] += count

    def sums(
        self, question: UsageQuestion, app_of: Mapping[str, str], owner_of: Mapping[str, str]
    ) -> Sequence[UsageRow]:
        """Oldest first. `app_of` tells which app a key is of, `owner_of` which owner an app."""
        sums: Counter[_Bucket] = Counter()
        for (at, key_id, route, status_class), count in self._counts.items():
            app_id = app_of.get(key_id)
            is_asked_for = (
                question.key_id in (None, key_id)
                and question.app_id in (None, app_id)
                and question.owner in (None, owner_of.get(app_id or ""))
            )
            if question.since <= at < question.until and is_asked_for:
                sums[(at - at % question.bucket_seconds, key_id, route, status_class)] += count
        return [UsageRow(*bucket, count) for bucket, count in sorted(sums.items())][: question.limit]

    def rows(self) -> list[UsageRow]:
        """All there is."""
        return [UsageRow(*bucket, count) for bucket, count in self._counts.items()]

    def prune(self, minutes_before: float, all_before: float) -> None:
        """Keep what is older than the first by the hour, and nothing older than the second (epoch seconds)."""
        hour = int(minutes_before) // HOUR_SECONDS * HOUR_SECONDS
        kept: Counter[_Bucket] = Counter()
        for (at, key_id, route, status_class), count in self._counts.items():
            if at >= int(all_before):
                kept[(at - at % HOUR_SECONDS if at < hour else at, key_id, route, status_class)] += count
        self._counts = kept
