"""Limits as configured, and what taking all of a request's limits came to. The counting is `core.counters`'."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import force_setattr

from gateway_auth.core.limit_choices import LimitBy, OnUnavailable
from gateway_auth.core.rates import LONGEST_MONTH_SECONDS, Rate
from gateway_auth.core.slots import Held, SlotLimit


class Limit(Struct, frozen=True):
    """One configured limit. `key` spells which counters it owns (`core.cachekey`), `id` is its public name.
    `is_leased` lets workers take shares of it ahead, where several count together.

    `policy_item` and `status_item` are its two header items (draft-ietf-httpapi-ratelimit-headers-11),
    spelled once: `"per-key";q=100;w=60` and `"per-key";r=%d;t=%d`.
    """

    id: str
    key: str
    rate: Rate
    by: LimitBy
    cost: int = 1
    on_unavailable: OnUnavailable = "local"
    is_leased: bool = False
    policy_item: bytes = b""
    status_item: bytes = b""

    def __post_init__(self) -> None:
        name = '"' + self.id.replace("\\", "\\\\").replace('"', '\\"') + '"'
        rate = self.rate
        seconds = rate.period_seconds
        if rate.is_calendar_month:
            seconds = LONGEST_MONTH_SECONDS
        elif rate.kind == "bucket":
            # The time an empty bucket needs to fill, so that q per w seconds is true of it.
            seconds = max(1, -(-rate.burst * seconds // rate.count))
        force_setattr(self, "policy_item", f"{name};q={rate.capacity};w={seconds}".encode())
        force_setattr(self, "status_item", name.replace("%", "%%").encode() + b";r=%d;t=%d")


class LimitSet:
    """The limits of one request, in order, with what the headers say of them spelled once.

    `status_format % outcome.status` is the RateLimit value; `is_utc_needed` tells whether any follows the calendar.
    `limits` are those of a rate, `slots` those of requests at once (`rooms`: how many), which stand behind them where
    both are listed; `rates` and `in_flight` are the same apart, as sets of their own.
    """

    __slots__ = (
        "_joined", "bys", "costs", "in_flight", "is_utc_needed", "limits", "policy_header", "rates", "rooms",
        "slots", "status_format",
    )  # fmt: skip

    def __init__(self, limits: Iterable[Limit] = (), slots: Iterable[SlotLimit] = ()) -> None:
        self.limits = tuple(limits)
        self.slots = tuple(slots)
        self.rooms = tuple(limit.slots for limit in self.slots)
        both: tuple[Limit | SlotLimit, ...] = (*self.limits, *self.slots)
        self.bys = tuple(limit.by for limit in both)
        self.costs = tuple(limit.cost for limit in self.limits)
        self.is_utc_needed = any(limit.rate.kind == "fixed" for limit in self.limits)
        self.policy_header = (b"ratelimit-policy", b", ".join(limit.policy_item for limit in both))
        self.status_format = b", ".join(limit.status_item for limit in both)
        self.rates: LimitSet = LimitSet(self.limits) if self.slots else self
        self.in_flight: LimitSet = LimitSet((), self.slots) if self.limits else self
        self._joined: dict[LimitSet, LimitSet] = {}

    def joined(self, other: LimitSet) -> LimitSet:
        """These and then those; there are as many pairs as routes and plans, so each is made once and kept.

        What is in both (a global limit that a route and a plan name) is taken once.
        """
        known = self._joined.get(other)
        if known is None:
            mine = {limit.key for limit in self.limits} | {limit.key for limit in self.slots}
            theirs = (limit for limit in other.limits if limit.key not in mine)
            their_slots = (limit for limit in other.slots if limit.key not in mine)
            known = self._joined[other] = LimitSet((*self.limits, *theirs), (*self.slots, *their_slots))
        return known

    def __bool__(self) -> bool:
        return bool(self.bys)


NO_LIMITS = LimitSet()


class LimitOutcome(Struct, frozen=True, gc=False):
    """What taking a request's limits came to.

    `status` is flat: remaining and seconds to reset of the first limit, of the second, and so on; then what is left
    of the first slots, of the second, and so on. `held` is to be released when an admitted request has ended.
    `retry_after_seconds` is 0 when admitted; `violated` then is empty.

    `counted` are the limits all this is about, where they are not those that were asked for: the counters all share
    could not be reached. `is_unavailable` tells that one of them must not be passed uncounted.
    """

    is_admitted: bool
    status: tuple[int, ...]
    retry_after_seconds: int = 0
    violated: tuple[str, ...] = ()
    counted: LimitSet | None = None
    is_unavailable: bool = False
    held: Held | None = None
