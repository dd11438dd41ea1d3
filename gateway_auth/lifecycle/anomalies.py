"""Which keys behave unlike themselves, as people and programs ask for it. It changes nothing and stops nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway_auth.core.activity import Anomaly, Moment, anomalies
from gateway_auth.errors import InvalidInput
from gateway_auth.lifecycle.input import MAX_PAGE, format_time
from gateway_auth.lifecycle.views import View
from gateway_auth.ports import Clock, UsageReader

PAGE = 200


class ReviewActivity:
    """Reads the store page by page: no transaction stays open in between. Raises StoreUnavailable."""

    def __init__(self, store: UsageReader, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def anomalies(self, owner: str | None = None) -> AsyncIterator[Anomaly]:
        """What is worth a look, of the keys of one owner or of all, in order of key id."""
        moment = Moment(int(self._clock.now()))
        after = ""
        while True:
            page = await self._store.key_activity(moment, limit=PAGE, after=after, owner=owner)
            for activity in page:
                for anomaly in anomalies(activity, moment):
                    yield anomaly
            if len(page) < PAGE:
                return
            after = page[-1].key_id

    async def some(self, limit: int, owner: str | None = None) -> list[Anomaly]:
        """The first `limit` (1 to 1000) of them."""
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput("limit", f"must be from 1 to {MAX_PAGE}")
        found: list[Anomaly] = []
        async for anomaly in self.anomalies(owner):
            found.append(anomaly)
            if len(found) == limit:
                break
        return found


def anomaly_view(anomaly: Anomaly) -> View:
    """What people see."""
    return {
        "key_id": anomaly.key_id,
        "kind": anomaly.kind,
        "since": format_time(anomaly.since),
        "reason": anomaly.reason,
    }
