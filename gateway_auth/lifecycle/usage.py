"""How much keys were used, as people and programs ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace

from gateway_auth.core.usage import UsageQuestion, UsageRow
from gateway_auth.errors import InvalidInput
from gateway_auth.lifecycle.input import MAX_PAGE, check_id, format_time, parse_duration
from gateway_auth.lifecycle.views import View
from gateway_auth.ports import Clock, UsageReader

By = Literal["minute", "hour", "day", "all"]
BUCKET_SECONDS: dict[By, int] = {"minute": 60, "hour": 3600, "day": 86400, "all": 1 << 40}
DEFAULT_SINCE = "24h"


class ReviewUsage:
    """Reads sums from the store. Raises StoreUnavailable."""

    def __init__(self, store: UsageReader, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def report(
        self,
        *,
        since: str = DEFAULT_SINCE,
        by: str = "hour",
        key_id: str | None = None,
        app_id: str | None = None,
        owner: str | None = None,
        limit: int = MAX_PAGE,
    ) -> Sequence[UsageRow]:
        """At most `limit` (1 to 1000) sums, oldest first, of the last so long (`24h`, `7d`).

        Of one key, one app, all apps of one owner, or all there is.

        Buckets are a `minute`, `hour` or `day` of UTC, or `all` in one that begins with an hour. What was used in the
        last seconds may be missing: workers write it down a few times a minute. Older than two days is known by the
        hour.
        """
        seconds = parse_duration("since", since)
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput("limit", f"must be from 1 to {MAX_PAGE}")
        by = _checked(by)
        until = int(self._clock.now()) + 1
        # Whole buckets: the first one would else be smaller than it looks.
        since_at = max(0, until - seconds)
        since_at -= since_at % BUCKET_SECONDS["hour" if by == "all" else by]
        rows = await self._store.usage_sums(
            UsageQuestion(
                since=since_at,
                until=until,
                bucket_seconds=BUCKET_SECONDS[by],
                limit=limit,
                key_id=None if key_id is None else check_id("key", key_id),
                app_id=None if app_id is None else check_id("app", app_id),
                owner=owner,
            )
        )
        return [replace(row, at=since_at) for row in rows] if by == "all" else rows


def usage_view(row: UsageRow) -> View:
    """Every field of a sum."""
    return {
        "at": format_time(row.at),
        "key_id": row.key_id or None,
        "route": row.route,
        "status": f"{row.status_class}xx",
        "count": row.count,
    }


def _checked(by: str) -> By:
    for name in BUCKET_SECONDS:
        if name == by:
            return name
    raise InvalidInput("by", f"must be one of {', '.join(BUCKET_SECONDS)}")
