"""How much a key is used: counts by route and kind of answer, and when and from where it was used last."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

Mark = tuple[str, str, int]
"""What is counted together: key id (empty where no key was presented), route id, status class (2 for 200 to 299)."""


class UsageBatch(Struct, frozen=True):
    """What one worker saw since its last one. `at` is epoch seconds, the beginning of a minute.

    `last_used` is by key id: when (epoch seconds) and from which address (None: no network address). `networks` are by
    key id the neighbourhoods (`core.network`) it was used from.
    """

    at: int
    counts: Mapping[Mark, int]
    last_used: Mapping[str, tuple[int, str | None]]
    networks: Mapping[str, Collection[int]] = {}


class UsageQuestion(Struct, frozen=True, kw_only=True):
    """Which usage is asked for: from `since` to before `until` (epoch seconds), in buckets.

    Of one key, one app, all apps of one owner, or all there is. At most `limit` rows. Usage of more than two days ago
    is known by the hour only.
    """

    since: int
    until: int
    bucket_seconds: int
    limit: int
    key_id: str | None = None
    app_id: str | None = None
    owner: str | None = None


class UsageRow(Struct, frozen=True):
    """So many requests with a key on a route were answered with a class of status, in the bucket that begins `at`."""

    at: int
    key_id: str
    route: str
    status_class: int
    count: int
