"""Looking into the audit: pages, newest first, and everything, oldest first. Whether it is genuine is another question.

What is read here may have been edited by anybody who can reach the database, so nothing of it is believed to be well
formed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

from gateway_auth.core.audit import EVERYTHING, AuditFilter, SealedRecord
from gateway_auth.errors import InvalidInput
from gateway_auth.lifecycle.input import MAX_PAGE, check_page, format_time, parse_duration, parse_time
from gateway_auth.lifecycle.views import View
from gateway_auth.ports import Clock, Registry

MAX_FILTER = 255
LAST_SEQ = 2**63 - 1

FIELDS = (
    "seq", "at", "actor", "action", "object_kind", "object_id", "outcome", "request_id", "address", "before", "after",
    "hash",
)  # fmt: skip


class ReadAudit:
    """The audit, for whoever may look into it. Every method raises StoreUnavailable and InvalidInput."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    def choose(
        self, *, since: str | None = None, actor: str | None = None, action: str | None = None, obj: str | None = None
    ) -> AuditFilter:
        """The filter somebody wrote: `since` is a time (`2030-01-31T12:00:00Z`) or how long ago (`7d`)."""
        for field, text in (("actor", actor), ("action", action), ("object", obj)):
            if text is not None and not (len(text) <= MAX_FILTER and text.isprintable()):
                raise InvalidInput(field, f"has more than {MAX_FILTER} characters, or some that no name has")
        return AuditFilter(since=self._since(since), actor=actor, action=action, object_id=obj)

    async def newest(
        self, chosen: AuditFilter = EVERYTHING, *, limit: int = 100, before: int | None = None
    ) -> Sequence[SealedRecord]:
        """At most `limit` (1 to 1000) records, newest first, those before a `seq`. A short page is the last."""
        check_page(limit, "")
        if before is not None and not 0 < before <= LAST_SEQ:
            raise InvalidInput("before", "must be the number of a record")
        async with self._registry.reading() as snapshot:
            return await snapshot.audit.last(chosen, limit=limit, before=before)

    async def iterate(self, chosen: AuditFilter = EVERYTHING) -> AsyncIterator[SealedRecord]:
        """Every record, oldest first, read page by page: no transaction stays open in between."""
        after = 0
        while True:
            async with self._registry.reading() as snapshot:
                page = await snapshot.audit.page(chosen, limit=MAX_PAGE, after=after)
            for sealed in page:
                yield sealed
            if len(page) < MAX_PAGE:
                return
            after = page[-1].record.seq

    def _since(self, text: str | None) -> float | None:
        if text is None:
            return None
        if text[4:5] == "-":  # a date; no duration has that
            return float(parse_time("since", text))
        return self._clock.now() - parse_duration("since", text, instead=', or a time, like "2030-01-31T12:00:00Z"')


def audit_view(sealed: SealedRecord) -> View:
    """Every field of a record, as people see them."""
    view: View = {name: getattr(sealed.record, name) for name in sealed.record.__struct_fields__}
    view["at"] = _time(view["at"])
    view["before"], view["after"] = _object(view["before"]), _object(view["after"])
    view["hash"] = sealed.hash.hex()
    return view


def _time(seconds: object) -> object:
    try:
        return format_time(int(seconds)) if isinstance(seconds, int | float) else seconds
    except (ValueError, OverflowError, OSError):
        return seconds


def _object(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text
