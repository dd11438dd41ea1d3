"""Refused requests as the audit keeps them: summed up, so that it grows with time and not with what clients send.

A record stands for all refusals of one kind that one worker saw in one minute. It knows no store and no request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from gateway_auth.core.audit import AuditEvent
from gateway_auth.core.network import Address, format_address

ACTOR = "system:gateway"
OTHERS = "*"
"""Stands for every route or object that found no place of its own."""


class Refusal(Struct, frozen=True):
    """What is counted together. `key_id` is that of a proven key, empty for anybody else; `route` may be empty too."""

    reason: str
    key_id: str
    route: str

    def joined(self) -> Refusal:
        """What this is counted as where it has no place of its own."""
        return Refusal(self.reason, OTHERS, OTHERS)


class Exposure(Struct, frozen=True):
    """What looked like a secret of ours stood in a URL. The id is what the URL said: nobody has proven the rest."""

    kind: Literal["key", "admin"]
    id: str

    def joined(self) -> Exposure:
        """What this is counted as where it has no place of its own."""
        return Exposure(self.kind, OTHERS)


class Sum(Struct):
    """How often. `address` is the client's, as long as all came from one (`is_one`)."""

    count: int = 0
    address: Address | None = None
    is_one: bool = True

    def add(self, other: Sum) -> None:
        """Count what another one has counted too."""
        if not self.count:
            self.address, self.is_one = other.address, other.is_one
        elif self.address != other.address:
            self.is_one = False
        self.is_one = self.is_one and other.is_one
        self.count += other.count


class Period(Struct, frozen=True):
    """From `since` to before `until`, UTC epoch seconds."""

    since: float
    until: float


def refusal_event(refusal: Refusal, of: Sum, period: Period) -> AuditEvent:
    """The audit event of refusals: its object is the proven key, or the route where there is none."""
    fields: dict[str, object] = {"reason": refusal.reason, "route": refusal.route}
    if refusal.key_id and refusal.key_id != OTHERS:
        return _event("request.denied", "key", refusal.key_id, fields, of, period)
    return _event("request.denied", "route", refusal.route, fields, of, period)


def exposure_event(exposure: Exposure, of: Sum, period: Period) -> AuditEvent:
    """The audit event of a secret in URLs. Its outcome is `denied`: the requests were refused."""
    return _event(f"{exposure.kind}.exposed", exposure.kind, exposure.id, {"where": "url"}, of, period)


def _event(
    action: str,
    kind: Literal["key", "admin", "route"],
    object_id: str,
    fields: Mapping[str, object],
    of: Sum,
    period: Period,
) -> AuditEvent:
    return AuditEvent(
        at=period.since,
        actor=ACTOR,
        action=action,
        object_kind=kind,
        object_id=object_id,
        outcome="denied",
        address=format_address(of.address) if of.is_one and of.address is not None else None,
        after={**fields, "count": of.count, "until": f"{datetime.fromtimestamp(period.until, UTC):%Y-%m-%dT%H:%M:%SZ}"},
    )
