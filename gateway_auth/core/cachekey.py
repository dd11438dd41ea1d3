"""The only place where the name of a counter or a cache entry is spelled, so that no two things share one.

Names are built of length-prefixed parts: ("a:b", "c") and ("a", "b:c") are different names (security case L03).
"""

from __future__ import annotations

from gateway_auth.core.limits import LimitBy
from gateway_auth.core.network import Address, network_of
from gateway_auth.core.principal import Principal

VERSION = "1"
UNKNOWN_ADDRESS = -1
"""Where requests without an address (a unix socket) are counted: together."""


def compose(*parts: str) -> str:
    """One name of several parts; different parts never give the same name."""
    return ":".join((VERSION, *(f"{len(part)}.{part}" for part in parts)))


def limit_key(owner_kind: str, owner_id: str, limit_id: str) -> str:
    """The counters of one limit of one route or plan."""
    return compose("limit", owner_kind, owner_id, limit_id)


def partitions_of(bys: tuple[LimitBy, ...], principal: Principal, client: Address | None) -> list[str | int]:
    """What each limit counts this request by, unique within that limit.

    Text for a key, app or subject, a number for an address. An anonymous request has none of the three: it
    counts by address, as a number, which no key, app or subject can be.
    """
    partitions: list[str | int] = []
    for by in bys:
        if by == "key" and principal.key_id is not None:
            partitions.append(principal.key_id)
        elif by == "app" and principal.app_id is not None:
            partitions.append(principal.app_id)
        elif by == "address":
            partitions.append(UNKNOWN_ADDRESS if client is None else network_of(client))
        elif by == "route" or by == "global":
            partitions.append(0)
        elif principal.is_authenticated:
            partitions.append(compose(principal.method, principal.subject))
        else:
            partitions.append(UNKNOWN_ADDRESS if client is None else network_of(client))
    return partitions
