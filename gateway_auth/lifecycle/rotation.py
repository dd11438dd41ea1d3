"""How one key takes the place of another: what the new one gets, when the old one ends. Pure; knows no store.

For as long as the overlap lasts both work, so that whoever uses the old one can move in their own time.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from gateway_auth.core.keys import KeyRecord, status_at
from gateway_auth.errors import Conflict, InvalidInput
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.input import NEVER, format_time, parse_duration

DEFAULT_OVERLAP = "7d"
MAX_OVERLAP_SECONDS = 366 * 86400
_AT_ONCE = ("0", "0s", "0m", "0h", "0d", "0w")


class RotatedKey(Struct, frozen=True):
    """Both keys of a rotation: `created` is the new one with its secret, `retiring` the old one as it is now."""

    created: CreatedKey
    retiring: KeyRecord


def parse_overlap(text: str) -> int:
    """Seconds for which the old key goes on working: `7d`, `12h`, or `0` for not at all. At most 366 days."""
    if text in _AT_ONCE:
        return 0
    seconds = None if text == NEVER else parse_duration("overlap", text, instead=', or "0"')
    if seconds is None or seconds > MAX_OVERLAP_SECONDS:
        raise InvalidInput("overlap", "has an end, at most 366 days; without one the old key would not be replaced")
    return seconds


def successor(old: KeyRecord, blank: KeyRecord, now: float, latest_end: int | None) -> KeyRecord:
    """The new key: same app, same rights, counted together with the old one, and as long a life as that one had.

    `latest_end` is when a key created now must have ended (epoch seconds), None where it may live for ever.
    """
    life = None if old.expires_at is None else old.expires_at - old.created_at
    ends = [end for end in (latest_end, None if life is None else int(now) + life) if end is not None]
    return replace(
        old,
        id=blank.id,
        digest=blank.digest,
        pepper_id=blank.pepper_id,
        created_at=blank.created_at,
        created_by=blank.created_by,
        grants=tuple(grant for grant in old.grants if now < grant.expires_at),
        not_before=None,
        expires_at=min(ends) if ends else None,
        last_used_at=None,
        last_used_address=None,
        rotated_from=old.id,
        family=old.family or old.id,
        retires_at=None,
    )


def retired(old: KeyRecord, now: float, overlap_seconds: int) -> KeyRecord:
    """The old key, which works until the overlap ends. Conflict where there is nothing to hand over."""
    refuse_not_rotatable(old, now)
    return replace(old, retires_at=int(now) + overlap_seconds)


def refuse_not_rotatable(old: KeyRecord, now: float) -> None:
    """Only a key that works can be replaced, and only once."""
    status = status_at(old, now)
    if old.retires_at is not None and status != "revoked":
        when = format_time(old.retires_at)
        raise Conflict(
            f"key {old.id} was rotated already and ends {when}; rotate the newer key, or enable this one to keep it"
        )
    if status != "active":
        raise Conflict(f"key {old.id} is {status}: there is nothing to hand over; create a new key")
