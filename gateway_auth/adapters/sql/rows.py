"""Records to rows and back. The only place that knows how a value lies in a column; knows no connection.

A record's fields and its table's columns have the same names in the same order; a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from gateway_auth.core.admins import AdminRecord
from gateway_auth.core.audit import AuditEvent, AuditRecord, SealedRecord
from gateway_auth.core.creations import Creation
from gateway_auth.core.keys import AppRecord, KeyRecord
from gateway_auth.core.token import Revocation

Column = str | int | float | bytes | None
Row = Sequence[object]

JSON_COLUMNS = frozenset(
    (
        "scopes", "roles", "grants", "allow_networks", "deny_networks", "allow_referrers",
        "allow_android", "allow_ios", "allow_requests", "metadata", "may_grant_scopes", "may_grant_roles",
    )
)  # fmt: skip

Record = AppRecord | KeyRecord | Revocation | AdminRecord | Creation
R = TypeVar("R", bound=Record)

_APP_WIDTH = len(AppRecord.__struct_fields__)
_KEY_WIDTH = len(KeyRecord.__struct_fields__)


def to_row(record: Record) -> dict[str, Column]:
    """The columns of a record by name."""
    row: dict[str, Column] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        row[name] = msgspec.json.encode(value).decode() if name in JSON_COLUMNS else value
    return row


def from_row(kind: type[R], row: Row) -> R:
    """The record in a row of its table. Raises msgspec.MsgspecError for a row nobody here wrote."""
    fields = {
        name: msgspec.json.decode(value) if name in JSON_COLUMNS and isinstance(value, str) else value
        for name, value in zip(kind.__struct_fields__, row, strict=True)
    }
    # Types are checked here, once: whatever goes on from here is what the record says it is.
    return msgspec.convert(fields, kind, builtin_types=(bytes,))


def split_reading(row: Row) -> tuple[Row, Row, Row]:
    """A joined row as (what stands before, the app's columns, the key's columns)."""
    key_start = len(row) - _KEY_WIDTH
    app_start = key_start - _APP_WIDTH
    return row[:app_start], row[app_start:key_start], row[key_start:]


def change_row(event: AuditEvent, revision: int) -> dict[str, Column]:
    """The columns of the change-log row that goes with an audit event."""
    if event.object_kind in ("store", "admin", "route"):
        raise ValueError(f"{event.object_kind}: nothing that workers remember; witness the event")
    return {"revision": revision, "kind": event.object_kind, "object_id": event.object_id, "at": event.at}


def audit_row(sealed: SealedRecord) -> dict[str, Column]:
    """The columns of an audit record."""
    row: dict[str, Column] = {name: getattr(sealed.record, name) for name in AuditRecord.__struct_fields__}
    return {**row, "hash": sealed.hash}


def sealed_in(row: Row) -> SealedRecord:
    """The audit record in a row of its table. Of any content: whether it is genuine the chain says."""
    return SealedRecord(AuditRecord(*row[:-1]), row[-1])  # type: ignore[arg-type]  # of whatever type, hashed as it is
