"""What a desk has before anybody acts there: tools, who acts, and the registry as that one finds it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from gateway_auth.core.actor import Actor
from gateway_auth.core.issuer import Issuer
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.lifecycle.authority import Action, authorize
from gateway_auth.lifecycle.bounds import BoundedRegistry
from gateway_auth.lifecycle.conditions import ConditionalRegistry, Expected
from gateway_auth.lifecycle.once import Once, OnceRegistry, RepeatableRandom, draw_salt
from gateway_auth.lifecycle.views import View
from gateway_auth.ports import Clock, Random, Registry, UsageReader


class Tools(Struct, frozen=True, kw_only=True):
    """What all desks of one configuration work with."""

    registry: Registry
    usage: UsageReader
    clock: Clock
    random: Random
    key_format: KeyFormat
    peppers: PepperRing
    max_lifetime_days: int = 0
    max_active_per_app: int = 0
    accepts_imported: bool = False
    plans: Collection[str] = ()
    issuers: Sequence[Issuer] = ()


class Made(Struct, frozen=True):
    """What was created: its public fields; of a key also its text. `is_repeated`: it was there already."""

    view: View
    text: str | None = None
    is_repeated: bool = False

    def __repr__(self) -> str:
        return f"Made(id={self.view.get('id')!r})"


class Workplace:
    """For one actor and one request. `expected` is the condition of a change, `once` remembers a creation."""

    def __init__(self, tools: Tools, actor: Actor, expected: Expected | None = None, once: Once | None = None) -> None:
        self.tools = tools
        self.actor = actor
        self.once = once
        self.random: Random = tools.random
        bounded = BoundedRegistry(tools.registry, actor)
        self.registry: Registry = bounded
        if once is not None:
            salt = draw_salt(tools.random)
            self.random = RepeatableRandom(once, salt, tools.peppers)
            self.registry = OnceRegistry(bounded, once, salt, tools.clock)
        if expected is not None:
            # Outside: what was done once already is not asked for its condition again, which it has changed itself.
            self.registry = ConditionalRegistry(self.registry, expected, tools.clock)

    def may(self, action: Action) -> None:
        """Raises Forbidden unless the actor's role has this action."""
        authorize(self.actor, action)
