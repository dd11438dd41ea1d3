"""When a token may be used, by `exp`, `nbf` and `iat`. Clocks are believed within the issuer's leeway, no further."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Literal

from msgspec import Struct

from gateway_auth.core.issuer import Issuer

MAX_NUMERIC_DATE = 2**53
"""Beyond it a JSON number is not the same to every reader (RFC 7493 section 2.2)."""

WhyUntimely = Literal["time", "not_yet_valid", "lifetime"]


class Times(Struct, frozen=True):
    """Usable while `usable_from <= now < usable_until` (UTC epoch seconds, leeway included)."""

    issued_at: float | None
    usable_from: float
    usable_until: float
    is_over: bool


def check_times(claims: Mapping[str, object], issuer: Issuer, now: float, *, must_end: bool) -> Times | WhyUntimely:
    """The times of a token, or what is wrong with them. That it is over is no fault: `is_over` tells."""
    expires, begins, issued = _date(claims, "exp"), _date(claims, "nbf"), _date(claims, "iat")
    if isinstance(expires, str) or isinstance(begins, str) or isinstance(issued, str):
        return "time"
    if expires is None and must_end:
        return "time"
    leeway = issuer.leeway_seconds
    if issued is not None and issued > now + leeway:
        return "time"
    usable_from = -inf if begins is None else begins - leeway
    if now < usable_from:
        return "not_yet_valid"
    if expires is None:
        return Times(issued, usable_from, inf, False)
    lifetime = issuer.max_lifetime_seconds
    if issued is not None and issued > expires:
        return "time"
    if expires - now > lifetime + leeway or (issued is not None and expires - issued > lifetime):
        return "lifetime"
    usable_until = expires + leeway
    return Times(issued, usable_from, usable_until, now >= usable_until)


def _date(claims: Mapping[str, object], name: str) -> float | Literal["unreadable"] | None:
    """A NumericDate (RFC 7519 section 2): a number, fractions allowed. `null` is no number."""
    if name not in claims:
        return None
    value = claims[name]
    # A bool is an int to Python; a float that is no number fails the comparison.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MAX_NUMERIC_DATE:
        return "unreadable"
    return value
