"""Counts who uses what, in memory, after the verdict. On the way of every request: one addition, one comparison."""

from __future__ import annotations

from itertools import islice

from msgspec.structs import replace

from gateway_auth.core.memo import Generations
from gateway_auth.core.network import Address, format_address, neighbourhood_of
from gateway_auth.core.usage import Mark, UsageBatch
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Clock, UsageSink

MAX_MARKS = 65_536
"""How many different (key, route, class) are counted at a time, and how many keys wait for a store that is away."""
MAX_PLACES = 16
"""From how many networks a key is noted to be used between two writings."""
MINUTE_SECONDS = 60
DAY_SECONDS = 86400
_NOWHERE = Address(-1)


class UsageTally:
    """What was seen since the last `take`. `left_out` counts what found no place. Only proven keys have a name here."""

    __slots__ = ("_counts", "_places", "_since", "_sources", "_unwritten", "left_out")

    def __init__(self, now: float) -> None:
        self._since = now
        self._counts: dict[Mark, int] = {}
        self._sources: dict[str, Address | None] = {}
        self._places: dict[str, set[int]] = {}
        self._unwritten: dict[str, tuple[int, str | None]] = {}
        self.left_out = 0

    def note(self, key_id: str | None, route: str, status: int, client: Address | None) -> None:
        """One request was answered. `key_id` is that of a proven key, None for anybody else."""
        mark = (key_id or "", route, status // 100)
        try:
            self._counts[mark] += 1
        except KeyError:
            self._begin(mark)
        if key_id is not None and self._sources.get(key_id, _NOWHERE) != client:
            self._sources[key_id] = client
            self._place(key_id, client)

    def take(self, now: float) -> UsageBatch | None:
        """Everything so far, as of now; None where there is nothing. Counting begins anew."""
        counts, sources, since, last_used = self._counts, self._sources, self._since, self._unwritten
        places = self._places
        self._counts, self._sources, self._since, self._unwritten, self._places = {}, {}, now, {}, {}
        if not counts:
            return None
        for key_id, client in sources.items():
            last_used[key_id] = (int(now), None if client is None else format_address(client))
        return UsageBatch(int(since) // MINUTE_SECONDS * MINUTE_SECONDS, counts, last_used, places)

    def give_back(self, batch: UsageBatch) -> None:
        """What could not be written is counted with what comes next."""
        for mark, count in batch.counts.items():
            if mark in self._counts or len(self._counts) < MAX_MARKS:
                self._counts[mark] = self._counts.get(mark, 0) + count
            else:
                self.left_out += count
        self._unwritten = dict(islice(batch.last_used.items(), MAX_MARKS))
        for key_id, places in batch.networks.items():
            for place in places:
                self._add_place(key_id, place)

    def _place(self, key_id: str, client: Address | None) -> None:
        if client is not None:
            self._add_place(key_id, neighbourhood_of(client))

    def _add_place(self, key_id: str, place: int) -> None:
        places = self._places.get(key_id)
        if places is None and len(self._places) < MAX_MARKS:
            self._places[key_id] = {place}
        elif places is not None and len(places) < MAX_PLACES:
            places.add(place)

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
        self._written: Generations[tuple[str, int], int] = Generations(MAX_MARKS)

    async def write(self) -> None:
        """Write what was counted since the last time. Raises StoreUnavailable, and counts it with what comes next."""
        batch = self._tally.take(self._clock.now())
        if batch is None:
            return
        unwritten = self._unwritten(batch)
        try:
            await self._sink.add_usage(replace(batch, networks=unwritten))
        except StoreUnavailable:
            self._tally.give_back(batch)
            raise
        for key_id, places in unwritten.items():
            for place in places:
                self._written.put((key_id, place), batch.at // DAY_SECONDS)

    def _unwritten(self, batch: UsageBatch) -> dict[str, list[int]]:
        """The networks this worker has not written yet today: a key that stays where it is costs one row a day."""
        today = batch.at // DAY_SECONDS
        found = {
            key_id: [place for place in places if self._written[key_id, place] != today]
            for key_id, places in batch.networks.items()
        }
        return {key_id: places for key_id, places in found.items() if places}
