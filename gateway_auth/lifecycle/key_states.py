"""Which state of a key leads to which: disable and enable, revoke, grant. Conflict where none does."""

from __future__ import annotations

from msgspec.structs import replace

from gateway_auth.core.keys import Grant, KeyRecord, status_at
from gateway_auth.errors import Conflict, InvalidInput
from gateway_auth.lifecycle.input import MAX_GRANTS


def disabled(key: KeyRecord, _now: float) -> KeyRecord:
    """Reversible."""
    refuse_revoked(key)
    return replace(key, status="disabled")


def enabled(key: KeyRecord, now: float) -> KeyRecord:
    """Only what a person disabled comes back: not what is over."""
    refuse_revoked(key)
    if status_at(key, now) == "expired":
        raise Conflict(f"key {key.id} has expired; update its expiry or create a new key")
    if key.retires_at is not None and now >= key.retires_at:
        raise Conflict(f"key {key.id} was replaced by rotation; use the newer key or create one")
    return replace(key, status="active")


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


def refuse_revoked(key: KeyRecord) -> None:
    """Nothing changes a revoked key but its deletion."""
    if key.status == "revoked":
        raise Conflict(f"key {key.id} is revoked, which is final; create a new key")
