"""Which keys deserve a look: those nobody uses, and those that should be rotated. It changes nothing itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from gateway_auth.core.keys import KeyRecord
from gateway_auth.errors import InvalidInput
from gateway_auth.lifecycle.input import MAX_PAGE
from gateway_auth.lifecycle.key_fields import DAY_SECONDS
from gateway_auth.ports import Clock, KeyReader, Registry

MAX_DAYS = 36500
DEFAULT_NOTICE_DAYS = 14
"""A key that expires within so long is due: whoever uses it needs time to move."""

_Page = Callable[[KeyReader, str], Awaitable[Sequence[KeyRecord]]]


class ReviewKeys:
    """Reads the store page by page: no transaction stays open in between. Raises StoreUnavailable.

    `unused_after_days` and `rotate_after_days` are the policy's; 0 for the second means keys have no age to rotate at.
    """

    def __init__(self, registry: Registry, clock: Clock, *, unused_after_days: int, rotate_after_days: int) -> None:
        self._registry = registry
        self._clock = clock
        self._unused_after_days = unused_after_days
        self._rotate_after_days = rotate_after_days

    def unused(self, days: int | None = None) -> AsyncIterator[KeyRecord]:
        """Active keys that were not used for so many days, nor created within them. In order of id."""
        chosen = self._unused_after_days if days is None else _checked("days", days)
        now = self._clock.now()
        since = now - chosen * DAY_SECONDS
        return self._all(lambda keys, after: keys.unused(since=since, now=now, limit=MAX_PAGE, after=after))

    def due(self, notice_days: int = DEFAULT_NOTICE_DAYS) -> AsyncIterator[KeyRecord]:
        """Active keys nobody has rotated yet that are older than the policy allows or expire within so many days."""
        now = self._clock.now()
        ends_before = now + _checked("within", notice_days) * DAY_SECONDS
        # No key was created before the epoch: without a policy no age is too old.
        created_before = now - self._rotate_after_days * DAY_SECONDS if self._rotate_after_days else 0.0

        def page(keys: KeyReader, after: str) -> Awaitable[Sequence[KeyRecord]]:
            return keys.due(
                created_before=created_before, ends_before=ends_before, now=now, limit=MAX_PAGE, after=after
            )

        return self._all(page)

    async def _all(self, page: _Page) -> AsyncIterator[KeyRecord]:
        after = ""
        while True:
            async with self._registry.reading() as snapshot:
                found = await page(snapshot.keys, after)
            for key in found:
                yield key
            if len(found) < MAX_PAGE:
                return
            after = found[-1].id


def _checked(field: str, days: int) -> int:
    if not 0 <= days <= MAX_DAYS:
        raise InvalidInput(field, f"must be from 0 to {MAX_DAYS}")
    return days
