"""Which state of a key leads to which: disable and enable, revoke, grant. Conflict where none does."""

from __future__ import annotations

from msgspec.structs import replace

from gateway_auth.core.keys import Grant, KeyRecord, status_at
from gateway_auth.errors import Conflict, InvalidInput
from gateway_auth.lifecycle.input import MAX_GRANTS, format_time

IN_USE_SECONDS = 86400
"""A key used within so long counts as in use."""


def disabled(key: KeyRecord, _now: float) -> KeyRecord:
    """Reversible."""
    refuse_revoked(key)
    return replace(key, status="disabled")


def enabled(key: KeyRecord, now: float) -> KeyRecord:
    """Not what is over, but also what a rotation ended or was about to end: then both keys go on."""
    refuse_revoked(key)
    if status_at(key, now) == "expired":
        raise Conflict(f"key {key.id} has expired; update its expiry or create a new key")
    return replace(key, status="active", retires_at=None)


def revoked(key: KeyRecord, _now: float) -> KeyRecord:
    """Final."""
    return replace(key, status="revoked")


def granted(key: KeyRecord, scope: str, expires_at: int, now: float) -> KeyRecord:
    """The scope until `expires_at`, or longer where it was granted for longer. Ended grants are dropped."""
    refuse_revoked(key)
    ends = {grant.scope: grant.expires_at for grant in key.grants if now < grant.expires_at}
    ends[scope] = max(expires_at, ends.get(scope, 0))
    if len(ends) > MAX_GRANTS:
        raise InvalidInput("scope", f"the key has {MAX_GRANTS} grants; wait for one to end")
    return replace(key, grants=tuple(Grant(name, end) for name, end in ends.items()))


def refuse_in_use(key: KeyRecord, now: float) -> None:
    """Before a deletion, which takes back nothing and tells nobody: whoever uses the key would find out."""
    if key.last_used_at is not None and now - key.last_used_at < IN_USE_SECONDS:
        where = f" from {key.last_used_address}" if key.last_used_address else ""
        raise Conflict(
            f"key {key.id} was used at {format_time(key.last_used_at)}{where}, within the last day;"
            " disable it first and see who complains, or force the deletion"
        )


def refuse_revoked(key: KeyRecord) -> None:
    """Nothing changes a revoked key but its deletion."""
    if key.status == "revoked":
        raise Conflict(f"key {key.id} is revoked, which is final; create a new key")
