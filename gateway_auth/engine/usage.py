"""Counts who uses what, in memory, after the verdict. On the way of every request: one addition, one assignment."""

from __future__ import annotations

from itertools import islice

from gateway_auth.core.network import Address, format_address
from gateway_auth.core.usage import Mark, UsageBatch
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Clock, UsageSink

MAX_MARKS = 65_536
"""How many different (key, route, class) are counted at a time, and how many keys wait for a store that is away."""
MINUTE_SECONDS = 60


class UsageTally:
    """What was seen since the last `take`. `left_out` counts what found no place. Only proven keys have a name here."""

    __slots__ = ("_counts", "_since", "_sources", "_unwritten", "left_out")

    def __init__(self, now: float) -> None:
        self._since = now
        self._counts: dict[Mark, int] = {}
        self._sources: dict[str, Address | None] = {}
        self._unwritten: dict[str, tuple[int, str | None]] = {}
        self.left_out = 0

    def note(self, key_id: str | None, route: str, status: int, client: Address | None) -> None:
        """One request was answered. `key_id` is that of a proven key, None for anybody else."""
        mark = (key_id or "", route, status // 100)
        try:
            self._counts[mark] += 1
        except KeyError:
            self._begin(mark)
        if key_id is not None:
            self._sources[key_id] = client

    def take(self, now: float) -> UsageBatch | None:
        """Everything so far, as of now; None where there is nothing. Counting begins anew."""
        counts, sources, since, last_used = self._counts, self._sources, self._since, self._unwritten
        self._counts, self._sources, self._since, self._unwritten = {}, {}, now, {}
        if not counts:
            return None
        for key_id, client in sources.items():
            last_used[key_id] = (int(now), None if client is None else format_address(client))
        return UsageBatch(int(since) // MINUTE_SECONDS * MINUTE_SECONDS, counts, last_used)

    def give_back(self, batch: UsageBatch) -> None:
        """What could not be written is counted with what comes next."""
        for mark, count in batch.counts.items():
            if mark in self._counts or len(self._counts) < MAX_MARKS:
                self._counts[mark] = self._counts.get(mark, 0) + count
            else:
                self.left_out += count
        self._unwritten = dict(islice(batch.last_used.items(), MAX_MARKS))

    def _begin(self, mark: Mark) -> None:
        if len(self._counts) < MAX_MARKS:
            self._counts[mark] = 1
        else:
            self.left_out += 1


class UsageLedger:
    """bookkeeping.Ledger of a tally."""

    def __init__(self, tally: UsageTally, sink: UsageSink, clock: Clock) -> None:
        self._tally = tally
        self._sink = sink
        self._clock = clock

    async def write(self) -> None:
        """Write what was counted since the last time. Raises StoreUnavailable, and counts it with what comes next."""
        batch = self._tally.take(self._clock.now())
        if batch is None:
            return
        try:
            await self._sink.add_usage(batch)
        except StoreUnavailable:
            self._tally.give_back(batch)
            raise
