"""From what a caller gives to the fields of a key: checks, times, the longest life allowed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gateway_auth.core.keys import KeyRecord
from gateway_auth.errors import InvalidInput
from gateway_auth.lifecycle.input import (
    check_android,
    check_ios,
    check_metadata,
    check_networks,
    check_referrers,
    check_requests,
    check_roles,
    check_scopes,
    check_text,
    format_time,
    parse_lifetime,
    parse_time,
)

DAY_SECONDS = 86400

Texts = Sequence[str]


class KeyFields(Struct, frozen=True, kw_only=True):
    """Fields of a key a caller may set. What is not given stays, or gets its default in a new key.

    `not_before` and `expires_at` are RFC 3339 times, `expires_in` a duration from now (`90d`) or `never`;
    None takes a limit away. A list is given whole.
    """

    name: str | UnsetType = UNSET
    scopes: Texts | UnsetType = UNSET
    roles: Texts | UnsetType = UNSET
    not_before: str | UnsetType | None = UNSET
    expires_in: str | UnsetType = UNSET
    expires_at: str | UnsetType | None = UNSET
    allow_networks: Texts | UnsetType = UNSET
    deny_networks: Texts | UnsetType = UNSET
    allow_referrers: Texts | UnsetType = UNSET
    allow_android: Texts | UnsetType = UNSET
    allow_ios: Texts | UnsetType = UNSET
    allow_requests: Texts | UnsetType = UNSET
    metadata: Mapping[str, str] | UnsetType = UNSET


_CHECKS: Mapping[str, Callable[..., object]] = {
    "name": partial(check_text, "name"),
    "scopes": check_scopes,
    "roles": check_roles,
    "not_before": lambda text: None if text is None else parse_time("not_before", text),
    "allow_networks": partial(check_networks, "allow_networks"),
    "deny_networks": partial(check_networks, "deny_networks"),
    "allow_referrers": check_referrers,
    "allow_android": check_android,
    "allow_ios": check_ios,
    "allow_requests": check_requests,
    "metadata": check_metadata,
}


def with_fields(key: KeyRecord, fields: KeyFields, now: float, max_lifetime_days: int) -> KeyRecord:
    """The key with the fields given. `max_lifetime_days` counts from its creation; 0 is no limit."""
    changes: dict[str, object] = {}
    for name, check in _CHECKS.items():
        value = getattr(fields, name)
        if value is not UNSET:
            changes[name] = check(value)
    if fields.expires_in is not UNSET or fields.expires_at is not UNSET:
        end = _expiry(fields, now)
        _refuse_too_late(fields, end, default_expiry(key.created_at, max_lifetime_days))
        changes["expires_at"] = end
    changed = replace(key, **changes)
    if changed.expires_at is not None and (changed.not_before or 0) >= changed.expires_at:
        raise InvalidInput("not_before", "must be before the key expires")
    return changed


def default_expiry(created_at: int, max_lifetime_days: int) -> int | None:
    """When a key ends that was created without saying when."""
    return created_at + max_lifetime_days * DAY_SECONDS if max_lifetime_days else None


def _expiry(fields: KeyFields, now: float) -> int | None:
    if fields.expires_in is not UNSET:
        if fields.expires_at is not UNSET:
            raise InvalidInput("expires_in", "cannot be given together with expires_at")
        seconds = parse_lifetime("expires_in", fields.expires_in)
        return None if seconds is None else int(now) + seconds
    if fields.expires_at is UNSET or fields.expires_at is None:
        return None
    end = parse_time("expires_at", fields.expires_at)
    if end <= now:
        raise InvalidInput("expires_at", "is past; to end a key now, disable or revoke it")
    return end


def _refuse_too_late(fields: KeyFields, end: int | None, latest: int | None) -> None:
    # The latest end counts from creation: else a life could be prolonged for ever, one update at a time.
    if latest is not None and (end is None or end > latest):
        given = "expires_at" if fields.expires_in is UNSET else "expires_in"
        advice = f"api_keys.max_lifetime_days lets this key live until {format_time(latest)}"
        raise InvalidInput(given, f"is too late: {advice}; create a new key for longer")
