"""The only place where the name of a counter or a cache entry is spelled, so that no two things share one.

Names are built of length-prefixed parts: ("a:b", "c") and ("a", "b:c") are different names (security case L03).
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec.structs import force_setattr

from gateway_auth.core.limit_choices import LimitBy
from gateway_auth.core.limits import Limit
from gateway_auth.core.network import Address, network_of
from gateway_auth.core.principal import Principal
from gateway_auth.core.slots import SlotLimit

VERSION = "1"
UNKNOWN_ADDRESS = -1
"""Where requests without an address (a unix socket) are counted: together."""


def compose(*parts: str) -> str:
    """One name of several parts; different parts never give the same name."""
    return ":".join((VERSION, *(f"{len(part)}.{part}" for part in parts)))


def limit_key(owner_kind: str, owner_id: str, limit_id: str) -> str:
    """The counters of one limit of one route or plan."""
    return compose("limit", owner_kind, owner_id, limit_id)


def window_family(limit: Limit) -> str:
    """The windows of one limit, of one kind and length: what one wrote, another could not read."""
    kind = "month" if limit.rate.is_calendar_month else limit.rate.kind
    return compose("window", limit.key, kind, str(limit.rate.period_seconds))


def slot_family(limit: SlotLimit) -> str:
    """The slots of one limit. How many there are is not in it: less than before are less at once."""
    return compose("slots", limit.key)


def lent_family(limit: Limit, life: int) -> str:
    """What is lent of each of those windows, for so many microseconds at a time."""
    return compose("lent", window_family(limit), str(life))


def window_name(family: str, partition: str | int) -> bytes:
    """One window, or one partition's slots, where many nodes share them.

    Short, the same everywhere, and telling nobody whose it is.
    """
    kind = "t" if isinstance(partition, str) else "n"
    return blake2b(f"{family}:{kind}{partition}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest().encode()


def partitions_of(bys: tuple[LimitBy, ...], principal: Principal, client: Address | None) -> list[str | int]:
    """What each limit counts this request by, unique within that limit.

    Text for a key, app or subject, a number for an address; apps and subjects of a token are those of its issuer. An
    anonymous request has none of the three: it counts by address, as a number, which no key, app or subject can be.
    """
    partitions: list[str | int] = []
    for by in bys:
        if by == "key" and principal.key_counted_as is not None:
            partitions.append(principal.key_counted_as)
        elif by == "app" and principal.app_id is not None:
            partitions.append(principal.app_counted_as or _app_of(principal, principal.app_id))
        elif by == "address":
            partitions.append(UNKNOWN_ADDRESS if client is None else network_of(client))
        elif by == "route" or by == "global":
            partitions.append(0)
        elif principal.is_authenticated:
            partitions.append(principal.counted_as or _subject_of(principal))
        else:
            partitions.append(UNKNOWN_ADDRESS if client is None else network_of(client))
    return partitions


def _subject_of(principal: Principal) -> str:
    """One name per subject: an issuer's subject is the same in its signed and its opaque tokens."""
    issuer_id = principal.issuer_id
    where = (principal.method,) if issuer_id is None else ("issuer", issuer_id)
    name = compose(*where, principal.subject)
    force_setattr(principal, "counted_as", name)
    return name


def _app_of(principal: Principal, app_id: str) -> str:
    """One name per app: ours by their ids, an issuer's with its name."""
    name = app_id if principal.issuer_id is None else compose(principal.issuer_id, app_id)
    force_setattr(principal, "app_counted_as", name)
    return name
