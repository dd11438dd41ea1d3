"""What becomes of secrets that somebody reports as leaked. Knows no HTTP; who reports has been believed before.

The whole secret is verified: an id alone, or one with another secret, stops nothing. A report that comes again changes
nothing again and is recorded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway_auth.core.actor import Actor
from gateway_auth.core.admins import AdminRecord, parse_admin_id
from gateway_auth.core.audit import AuditFilter
from gateway_auth.core.disclosure import Report
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import KeyRecord
from gateway_auth.lifecycle.events import admin_event, exposed_event, key_event
from gateway_auth.lifecycle.views import View
from gateway_auth.ports import AuditedSnapshot, Clock, Registry, Transaction

Measure = Literal["revoke", "disable", "report"]

MAX_AT_ONCE = 100
"""How many are handled in one transaction: other writers wait for no more."""


class Measures(Struct, frozen=True, kw_only=True):
    """What is done with a leaked key of each environment. An admin token that is not only reported is disabled."""

    live: Measure = "revoke"
    test: Measure = "report"
    admin: Literal["disable", "report"] = "disable"

    def after(self, record: KeyRecord | AdminRecord) -> KeyRecord | AdminRecord:
        """What becomes of it."""
        if isinstance(record, AdminRecord):
            return record if self.admin == "report" else replace(record, status="disabled")
        measure = self.live if record.environment == "live" else self.test
        if measure == "report" or record.status == "revoked":
            return record
        return replace(record, status="revoked" if measure == "revoke" else "disabled")


class DiscloseSecrets:
    """Takes reports. Raises StoreUnavailable: then some may have been handled, and all may be sent again."""

    def __init__(
        self, registry: Registry, clock: Clock, *, key_format: KeyFormat, peppers: PepperRing, measures: Measures
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._format = key_format
        self._peppers = peppers
        self._measures = measures

    async def take(self, actor: Actor, reports: Sequence[Report]) -> list[bool]:
        """Stop what leaked, as the measures say. For each report: whether it is a secret of ours, working or not."""
        distinct = {report.token: report for report in reversed(reports)}
        genuine: set[str] = set()
        waiting: list[Report] = []
        async with self._registry.reading() as snapshot:
            for token, report in distinct.items():
                record = await self._prove(snapshot, token)
                if record is not None:
                    genuine.add(token)
                    if not await self._is_done(snapshot, actor, record):
                        waiting.append(report)
        for start in range(0, len(waiting), MAX_AT_ONCE):
            async with self._registry.transaction() as transaction:
                for report in waiting[start : start + MAX_AT_ONCE]:
                    await self._handle(transaction, actor, report)
        return [report.token in genuine for report in reports]

    async def _prove(self, snapshot: AuditedSnapshot | Transaction, token: str) -> KeyRecord | AdminRecord | None:
        """The key or admin whose whole secret this is."""
        presented = token.encode("utf-8", "replace")
        record: KeyRecord | AdminRecord | None = None
        if (key_id := self._format.parse_key_id(presented)) is not None:
            record = await snapshot.keys.get(key_id)
        elif (admin_id := parse_admin_id(presented)) is not None:
            record = await snapshot.admins.get(admin_id)
        if record is None or not self._peppers.verify(presented, record.digest, record.pepper_id):
            return None
        return record

    async def _is_done(
        self, snapshot: AuditedSnapshot | Transaction, actor: Actor, record: KeyRecord | AdminRecord
    ) -> bool:
        return self._measures.after(record) == record and await _is_told(snapshot, actor, record)

    async def _handle(self, transaction: Transaction, actor: Actor, report: Report) -> None:
        """Inside the transaction everything is asked again: somebody else may have been faster."""
        record = await self._prove(transaction, report.token)
        if record is None:
            return
        now = self._clock.now()
        if not await _is_told(transaction, actor, record):
            where: View = {"where": "report", "url": report.url, "source": report.source, "type": report.type}
            await transaction.witness(exposed_event(now, actor, _kind(record), record.id, where))
        after = self._measures.after(record)
        if after == record:
            return
        if isinstance(record, KeyRecord) and isinstance(after, KeyRecord):
            await transaction.keys.save(after)
            action = "revoke" if after.status == "revoked" else "disable"
            await transaction.record(key_event(now, actor, action, record, after))
        elif isinstance(record, AdminRecord) and isinstance(after, AdminRecord):
            await transaction.admins.save(after)
            await transaction.witness(admin_event(now, actor, "disable", record, after))


async def _is_told(snapshot: AuditedSnapshot | Transaction, actor: Actor, record: KeyRecord | AdminRecord) -> bool:
    """Whether the audit has it from this reporter that the secret leaked."""
    told = AuditFilter(actor=str(actor), action=f"{_kind(record)}.exposed", object_id=record.id)
    return bool(await snapshot.audit.last(told, limit=1))


def _kind(record: KeyRecord | AdminRecord) -> Literal["key", "admin"]:
    return "key" if isinstance(record, KeyRecord) else "admin"
