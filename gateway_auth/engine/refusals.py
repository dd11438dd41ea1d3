"""Sums up refused requests and has them put into the audit: some records a minute at most, whatever clients send.

Counts stay exact. What finds no place of its own is counted with others of its reason, and what the store does not
take is counted with what comes next. What a worker that is killed has not written is lost: a minute and a few seconds.
The first secrets in URLs of a minute do not wait for its end, as somebody has to replace them.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest
from typing import Generic, Protocol, Self, TypeVar

from msgspec import Struct

from gateway_auth.core.audit import AuditEvent
from gateway_auth.core.decision import Deny
from gateway_auth.core.network import Address
from gateway_auth.core.refusals import Exposure, Period, Refusal, Sum, exposure_event, refusal_event
from gateway_auth.ports import Clock, Registry

MINUTE_SECONDS = 60
MAX_MARKS = 256
"""How many different refusals, and how many different secrets, are counted apart at a time."""
MAX_REFUSALS = 20
MAX_EXPOSURES = 8
"""How many of each get a record of their own, the most frequent first. One more for each reason or kind of the rest."""


class _Mark(Protocol):
    def joined(self) -> Self: ...
    def __hash__(self) -> int: ...


M = TypeVar("M", bound=_Mark)


class Sums(Generic[M]):
    """Counts by mark, at most about `MAX_MARKS` of them: the rest together, by a closed set of names."""

    def __init__(self) -> None:
        self._sums: dict[M, Sum] = {}

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, mark: M, of: Sum) -> None:
        """Count."""
        found = self._sums.get(mark)
        if found is None:
            mark = mark if len(self._sums) < MAX_MARKS else mark.joined()
            found = self._sums.setdefault(mark, Sum())
        found.add(of)

    def largest(self, limit: int) -> dict[M, Sum]:
        """The same counts, at most `limit` marks apart."""
        apart = {mark for mark, _ in nlargest(limit, self._sums.items(), key=lambda item: item[1].count)}
        kept: dict[M, Sum] = {}
        for mark, of in self._sums.items():
            kept.setdefault(mark if mark in apart else mark.joined(), Sum()).add(of)
        return kept

    def items(self) -> Iterable[tuple[M, Sum]]:
        """Every mark with its count."""
        return self._sums.items()


class _Taken(Struct, frozen=True):
    """What was seen, each kind in its period."""

    refused: Period
    refusals: Sums[Refusal]
    exposed: Period
    exposures: Sums[Exposure]


class RefusalTally:
    """Counts in memory. Without `is_complete` only secrets in URLs are, which are always told of."""

    def __init__(self, now: float, *, is_complete: bool) -> None:
        self._is_complete = is_complete
        self._since = self._exposed_since = now
        self._has_told = False  # of secrets in URLs, in this minute
        self._refusals: Sums[Refusal] = Sums()
        self._exposures: Sums[Exposure] = Sums()

    def note(self, denial: Deny, client: Address | None) -> None:
        """One request was refused."""
        if self._is_complete:
            route = denial.policy.id if denial.policy is not None else ""
            key_id = denial.principal.key_id if denial.principal is not None else None
            self._refusals.add(Refusal(denial.reason.value, key_id or "", route), Sum(1, client))
        if denial.exposed_key_id is not None:
            self._exposures.add(Exposure("key", denial.exposed_key_id), Sum(1, client))
        if denial.exposed_admin_id is not None:
            self._exposures.add(Exposure("admin", denial.exposed_admin_id), Sum(1, client))

    def take(self, now: float, *, is_last: bool) -> _Taken | None:
        """What was seen since the last time, once its minute is over or nothing comes after; None where nothing was.

        The first secrets in URLs of a minute are taken at once.
        """
        is_over = is_last or now // MINUTE_SECONDS != self._since // MINUTE_SECONDS
        refused = Period(self._since, max(self._since, now))
        exposed = Period(self._exposed_since, max(self._exposed_since, now))
        refusals: Sums[Refusal] = Sums()
        exposures: Sums[Exposure] = Sums()
        if is_over:
            refusals, self._refusals, self._since = self._refusals, Sums(), now
        if self._exposures and (is_over or not self._has_told):
            exposures, self._exposures = self._exposures, Sums()
        if is_over or exposures:
            self._exposed_since, self._has_told = now, not is_over
        return _Taken(refused, refusals, exposed, exposures) if refusals or exposures else None

    def give_back(self, taken: _Taken) -> None:
        """What could not be written is counted with what comes next."""
        for refusal, of in taken.refusals.items():
            self._refusals.add(refusal, of)
            self._since = min(self._since, taken.refused.since)
        for exposure, of in taken.exposures.items():
            self._exposures.add(exposure, of)
            self._exposed_since, self._has_told = min(self._exposed_since, taken.exposed.since), False


class RefusalLedger:
    """bookkeeping.Ledger of a tally."""

    def __init__(self, tally: RefusalTally, registry: Registry, clock: Clock) -> None:
        self._tally = tally
        self._registry = registry
        self._clock = clock
        self._is_last = False

    def finish(self) -> None:
        """The next writing is the last one: the minute under way is written too."""
        self._is_last = True

    async def write(self) -> None:
        """Write the minutes that are over, and the first secrets in URLs of this one.

        Raises StoreUnavailable, and counts them with what comes next.
        """
        taken = self._tally.take(self._clock.now(), is_last=self._is_last)
        if taken is None:
            return
        try:
            events = await self._events(taken)
            async with self._registry.transaction() as transaction:
                for event in events:
                    await transaction.witness(event)
        except BaseException:  # also when it is cancelled: whoever stops writes once more
            self._tally.give_back(taken)
            raise

    async def _events(self, taken: _Taken) -> list[AuditEvent]:
        exposures = await self._of_ours(taken.exposures) if taken.exposures else taken.exposures
        return [
            *(exposure_event(exposure, of, taken.exposed) for exposure, of in exposures.largest(MAX_EXPOSURES).items()),
            *(
                refusal_event(refusal, of, taken.refused)
                for refusal, of in taken.refusals.largest(MAX_REFUSALS).items()
            ),
        ]

    async def _of_ours(self, exposures: Sums[Exposure]) -> Sums[Exposure]:
        """Anybody can make up an id: those that nobody has are counted together, and crowd out none there is."""
        found: Sums[Exposure] = Sums()
        async with self._registry.reading() as snapshot:
            for exposure, of in exposures.items():
                record = await (snapshot.keys if exposure.kind == "key" else snapshot.admins).get(exposure.id)
                found.add(exposure if record is not None else exposure.joined(), of)
        return found
