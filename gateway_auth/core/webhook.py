"""Events told to others by HTTP, signed as Standard Webhooks lay down: https://www.standardwebhooks.com."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable
from datetime import UTC, datetime
from hmac import digest
from typing import Literal

from msgspec import Struct

from gateway_auth.core.audit import AuditRecord

SECRET_PREFIX = b"whsec_"
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""How long to wait after each failure, as Standard Webhooks recommend: some three days until the last attempt."""

DeliveryStatus = Literal["waiting", "delivered", "dead"]


class Delivery(Struct, frozen=True, kw_only=True):
    """One event on its way to one webhook. Times are UTC epoch seconds; `id` is one per webhook and event.

    `event_id` is what the receiver tells repeats by. `attempts` are those made so far; `last_error` says how the last
    one failed, without anything the receiver sent.
    """

    id: str
    webhook_id: str
    event_id: str
    event_type: str
    body: str
    created_at: float
    next_at: float
    attempts: int = 0
    status: DeliveryStatus = "waiting"
    last_error: str | None = None


def parse_secret(text: bytes) -> bytes:
    """The key of a webhook secret, `whsec_` and base64 of 24 to 64 bytes. Raises ValueError that does not repeat it."""
    try:
        key = b64decode(text.removeprefix(SECRET_PREFIX), validate=True) if text.startswith(SECRET_PREFIX) else b""
    except NotBase64:
        key = b""
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise ValueError('is not "whsec_" and the base64 of 24 to 64 random bytes')
    return key


def sign(key: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + b64encode(digest(key, signed, "sha256")).decode()


def is_wanted(patterns: Iterable[str], event_type: str) -> bool:
    """Whether a webhook asked for events of this type: by name, by `key.*`, or for all by `*`."""
    return any(
        pattern in ("*", event_type) or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in patterns
    )


def event_body(event_type: str, at: float, data: dict[str, object]) -> str:
    """What is sent: `type`, `timestamp` and `data`, in ASCII."""
    timestamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": event_type, "timestamp": timestamp, "data": data}, separators=(",", ":"))


def delivery_of_record(webhook_id: str, record: AuditRecord, now: float) -> Delivery:
    """An audit record as an event: the record is the truth, the event tells of it."""
    data: dict[str, object] = {
        "seq": record.seq,
        "actor": record.actor,
        "object": {"kind": record.object_kind, "id": record.object_id},
        "outcome": record.outcome,
        "before": json.loads(record.before) if record.before is not None else None,
        "after": json.loads(record.after) if record.after is not None else None,
    }
    event_id = f"audit-{record.seq}"
    return Delivery(
        id=f"{webhook_id}/{event_id}",
        webhook_id=webhook_id,
        event_id=event_id,
        event_type=record.action,
        body=event_body(record.action, record.at, data),
        created_at=now,
        next_at=now,
    )


def retry_at(attempts: int, now: float) -> float | None:
    """When to try again after so many attempts; None: never."""
    return now + RETRY_SECONDS[attempts - 1] if attempts <= len(RETRY_SECONDS) else None
