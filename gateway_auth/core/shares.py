"""The part of a limit one worker may admit while nobody can count for all. It knows no window and no outage.

The parts of all workers together are never more than the limit: what does not divide evenly goes to those first in
order, one request each. Where there are more workers than requests to share out, the last have none.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from gateway_auth.core.limits import Limit
from gateway_auth.core.rates import Rate


class Share(Struct, frozen=True):
    """How many workers there are, and the place of this one in their order, from 0."""

    workers: int = 1
    rank: int = 0


def part_of(limit: Limit, share: Share) -> Limit:
    """The limit this worker keeps to. It has the whole limit's RateLimit-Policy: its quota is the client's business.

    A bucket's refill is shared by stretching the period, so that no fraction is lost.
    """
    rate, cost = limit.rate, limit.cost
    if share.workers == 1:
        return limit
    if rate.kind == "bucket":
        part = _part_of_bucket(rate, cost, share)
    else:
        part = replace(rate, count=_part(rate.count, cost, share))
    kept = replace(limit, rate=part)
    # What is left of a part, and when it comes back, is never more than the whole limit's policy says.
    force_setattr(kept, "policy_item", limit.policy_item)
    return kept


def _part_of_bucket(rate: Rate, cost: int, share: Share) -> Rate:
    holders = min(share.workers, max(1, rate.burst // cost))
    return replace(rate, burst=_part(rate.burst, cost, share), period_seconds=rate.period_seconds * holders)


def _part(amount: int, cost: int, share: Share) -> int:
    """In whole requests: a part that is no multiple of the cost would hold what nobody can use."""
    each, left_over = divmod(amount // cost, share.workers)
    return (each + (share.rank < left_over)) * cost
