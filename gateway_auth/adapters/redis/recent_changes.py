"""Which keys and apps changed lately, as this worker read it in the change log; so, whether an old reading still holds.

A reading of revision R says what the store said at every revision up to W if nothing it tells of changed after R, up
to W. It knows nothing of Redis, and believes the log alone.
"""

from __future__ import annotations

from gateway_auth.ports import ChangeBatch, ChangeFeed, Clock

MAX_CHANGES = 10_000
VOUCH_SECONDS = 2.0
"""For how long after the last reading of the log *began* anything is vouched for: what holds for facts in memory."""
MAX_SKEW_SECONDS = 5.0
"""How far the clocks of nodes may differ."""


class RecentChanges:
    """`ports.ChangeFeed` around another, that remembers what passes through it.

    It knows every change after revision `_floor` up to `_revision`. Objects are kept with the revision of their last
    change; when there are too many, the oldest is forgotten and the floor rises to it.
    """

    def __init__(self, feed: ChangeFeed, clock: Clock, *, max_changes: int = MAX_CHANGES) -> None:
        self._feed = feed
        self._clock = clock
        self._monotonic = clock.monotonic
        self._max_changes = max_changes
        self._last: dict[tuple[str, str], int] = {}  # in order of revision
        self._floor = self._revision = -1
        self._not_before = float("inf")
        self._read_at = float("-inf")
        """When the last reading began that found nothing more: until then all is known."""

    async def current_revision(self) -> int:
        """Where the log stands. Whoever follows it begins here, and so does what is remembered."""
        began = self._monotonic()
        revision = await self._feed.current_revision()
        self._start_at(revision)
        self._read_at = began
        return revision

    async def changes_since(self, revision: int) -> ChangeBatch:
        """The next changes; they are remembered before they are applied."""
        began = self._monotonic()
        batch = await self._feed.changes_since(revision)
        if not batch.is_complete or revision > self._revision:
            # What lies between is not known, or is another history: a store put back from a backup.
            self._start_at(batch.revision)
        else:
            self._remember(batch)
        if not batch.is_complete or batch.revision <= revision:
            self._read_at = began
        return batch

    def vouch(self, revision: int, read_at: float, key_id: str, app_id: str) -> int | None:
        """As of which revision a reading of `revision`, made at `read_at` (epoch seconds), still holds.

        None where it does not, or where that cannot be told.
        """
        if self._monotonic() >= self._read_at + VOUCH_SECONDS or read_at < self._not_before:
            return None
        if not self._floor <= revision <= self._revision:
            return None
        last = self._last
        if last.get(("key", key_id), -1) > revision or last.get(("app", app_id), -1) > revision:
            return None
        return self._revision

    def _start_at(self, revision: int) -> None:
        self._last.clear()
        # A revision is a number, and another history has the same ones. Readings from before this worker began to
        # follow this one are not compared with it.
        self._not_before = self._clock.now() + MAX_SKEW_SECONDS
        self._floor = self._revision = revision

    def _remember(self, batch: ChangeBatch) -> None:
        for change in batch.changes:
            name = (change.kind, change.object_id)
            known = self._last.pop(name, -1)
            self._last[name] = max(known, change.revision)
        self._revision = max(self._revision, batch.revision)
        while len(self._last) > self._max_changes:
            oldest = next(iter(self._last))
            self._floor = max(self._floor, self._last.pop(oldest))
