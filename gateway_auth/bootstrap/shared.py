"""What a gateway shares with others of the same deployment, whoever carries it. Light: it imports no driver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from gateway_auth.core.shares import Share
from gateway_auth.engine.shared_limits import SharedLimits
from gateway_auth.engine.shared_slots import SharedSlots
from gateway_auth.ports import ChangeFeed, KeyStore, RevocationStore


class TruthStore(ChangeFeed, RevocationStore, Protocol):
    """Where changes and revocations are read: one store, so that a revocation is there when its change is."""


class Truth(TruthStore, KeyStore, Protocol):
    """The store itself."""


class Shared(Protocol):
    """Made before a gateway, started and closed with it."""

    limits: SharedLimits
    slots: SharedSlots
    key_store: KeyStore
    truth: TruthStore

    @property
    def is_degraded(self) -> bool: ...
    @property
    def share(self) -> Share: ...
    @property
    def is_left_alone(self) -> bool: ...
    @property
    def calls(self) -> int: ...
    @property
    def openings(self) -> int: ...
    def failures(self) -> Counter[str]: ...
    def looks(self) -> Counter[str]: ...
    def start(self, on_nudge: Callable[[], None]) -> None: ...
    async def close(self) -> None: ...
