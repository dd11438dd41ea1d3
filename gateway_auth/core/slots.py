"""Slots: how many requests of one partition may be under way at once, and who holds how many. It knows no request.

A slot is not charged but lent: it comes back when its request ends, however that is, and never by the time passing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr

if TYPE_CHECKING:
    from gateway_auth.core.limits import LimitBy, OnUnavailable
    from gateway_auth.core.shares import Share

MAX_SLOTS = 1_000_000
RETRY_SECONDS = 1
"""What a refused client is told to wait: nobody knows when a request that is under way will end."""

Name = TypeVar("Name", bound=Hashable)


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


def part_of_slots(limit: SlotLimit, share: Share) -> int:
    """The slots one worker may lend while nobody can count for all. All parts together are the limit."""
    each, left_over = divmod(limit.slots, share.workers)
    return each + (share.rank < left_over)


class Ledger(dict[Name, int], Generic[Name]):
    """How many slots are held here, by name. What is not held is not in it, so that it is as large as what runs."""

    __slots__ = ()

    def take(self, names: Sequence[Name], rooms: Sequence[int]) -> tuple[bool, tuple[int, ...]]:
        """One slot of each name or none at all: whether it was taken, and how many are left of each then."""
        left = [room - self.get(name, 0) for name, room in zip(names, rooms, strict=True)]
        if min(left) < 1:
            # Fewer than none where the room has shrunk.
            return False, tuple(max(0, places) for places in left)
        self.add(names)
        return True, tuple(places - 1 for places in left)

    def add(self, names: Sequence[Name]) -> None:
        """Hold one more of each."""
        for name in names:
            self[name] = self.get(name, 0) + 1

    def give_back(self, names: Sequence[Name]) -> None:
        """Hold one less of each. Only what is held can be given back."""
        for name in names:
            count = self[name] - 1
            if count:
                self[name] = count
            else:
                del self[name]


class Held(Protocol):
    """The slots of one request."""

    def release(self) -> None:
        """Give them back; the second time nothing is left to do. Waits for nobody: a request may end in any way."""
        ...


class HeldSlots(Generic[Name]):
    """`Held` of whoever keeps the ledger."""

    __slots__ = ("_give_back", "_names")

    def __init__(self, give_back: Callable[[Sequence[Name]], None], names: Sequence[Name]) -> None:
        self._give_back = give_back
        self._names = names

    def release(self) -> None:
        """Give them back, once."""
        names, self._names = self._names, ()
        if names:
            self._give_back(names)
