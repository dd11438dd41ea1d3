"""Slots: how many requests of one partition may be under way at once. Who holds how many is `core.ledger`'s.

A slot is not charged but lent: it comes back when its request ends, however that is, and never by time passing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import force_setattr

from gateway_auth.core.limit_choices import LimitBy, OnUnavailable

MAX_SLOTS = 1_000_000


class SlotLimit(Struct, frozen=True):
    """At most `slots` requests at once. `key` spells which partitions it owns (`core.cachekey`), `id` is its name.

    `policy_item` and `status_item` are its header items (draft-ietf-httpapi-ratelimit-headers-11): a quota of
    requests at once has no window, and nothing to say of when it is whole again.
    """

    id: str
    key: str
    slots: int
    by: LimitBy
    on_unavailable: OnUnavailable = "local"
    policy_item: bytes = b""
    status_item: bytes = b""

    def __post_init__(self) -> None:
        name = '"' + self.id.replace("\\", "\\\\").replace('"', '\\"') + '"'
        force_setattr(self, "policy_item", f'{name};q={self.slots};qu="concurrent-requests"'.encode())
        force_setattr(self, "status_item", name.replace("%", "%%").encode() + b";r=%d")


class SlotWish(Struct, frozen=True):
    """One request that asks for a slot of each name. `rooms` is how many may be held of each, by all workers."""

    names: Sequence[bytes]
    rooms: Sequence[int]


class SlotAnswer(Struct, frozen=True):
    """Whether a wish was granted, and how many slots are left of each of its names."""

    is_granted: bool
    left: tuple[int, ...]


class Held(Protocol):
    """The slots of one request."""

    def release(self) -> None:
        """Give them back; the second time nothing is left to do. Waits for nobody: a request may end in any way."""
        ...
