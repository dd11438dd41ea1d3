"""A small world for use cases: a clock that is moved, chance that can be told what to draw, and the use cases."""

from __future__ import annotations

from collections.abc import Iterable

from gateway_auth.adapters.memory_registry import MemoryRegistry
from gateway_auth.adapters.system import SystemRandom
from gateway_auth.core.actor import Actor
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.lifecycle.apps import ManageApps
from gateway_auth.lifecycle.keys import ManageKeys
from gateway_auth.ports import Registry

NOW = 1_800_000_000
PEPPER = bytes(range(32))
ACTOR = Actor(kind="cli", name="alice")
BOB = Actor(kind="admin", name="bob", id="adm_1", role="operator", request_id="req_1", address="192.0.2.7")


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = NOW + 0.25

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


class ScriptedRandom(SystemRandom):
    """Draws what it is told first, then what the system says."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self.numbers = list(numbers)

    def below(self, limit: int) -> int:
        return self.numbers.pop(0) % limit if self.numbers else super().below(limit)


class World:
    """Apps and keys on one registry."""

    def __init__(
        self, registry: Registry | None = None, *, max_lifetime_days: int = 0, max_active_per_app: int = 0
    ) -> None:
        self.memory = MemoryRegistry()
        self.registry: Registry = registry or self.memory
        self.clock = ManualClock()
        self.random = ScriptedRandom()
        self.peppers = PepperRing(PEPPER)
        self.apps = ManageApps(self.registry, self.clock, self.random, {"free", "pro"})
        self.keys = ManageKeys(
            self.registry,
            self.clock,
            self.random,
            key_format=KeyFormat(),
            peppers=self.peppers,
            max_lifetime_days=max_lifetime_days,
            max_active_per_app=max_active_per_app,
        )

    @property
    def actions(self) -> list[str]:
        """What the audit holds, oldest first."""
        return [event.action for event in self.memory.audit]
