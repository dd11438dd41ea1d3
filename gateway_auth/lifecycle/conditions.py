"""Changes on condition that the object is still what who asks has seen (RFC 9110 section 13.1.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from gateway_auth.errors import Outdated
from gateway_auth.lifecycle.views import View, app_view, key_view
from gateway_auth.ports import Clock, Registry, Snapshot, Transaction

USE = ("last_used_at", "last_used_address")
"""What changes by itself whenever a key is used; a change of a key does not depend on it."""


class Expected(Struct, frozen=True):
    """The object must exist and, unless `tags` is None, be one of these."""

    kind: Literal["app", "key"]
    object_id: str
    tags: tuple[str, ...] | None = None


def tag_of(view: View) -> str:
    """A name for what an object is now; another one after every change."""
    kept = {name: value for name, value in view.items() if name not in USE}
    return sha256(msgspec.json.encode(kept, order="sorted")).hexdigest()[:32]


class ConditionalRegistry:
    """`ports.Registry` whose transactions begin with the question whether the object is as expected."""

    def __init__(self, registry: Registry, expected: Expected, clock: Clock) -> None:
        self.reading = registry.reading
        self._registry = registry
        self._expected = expected
        self._clock = clock

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Raises Outdated where the object is another by now. Of one that is not there the use case knows to speak."""
        async with self._registry.transaction() as transaction:
            found = await self._tag(transaction)
            if found is not None and self._expected.tags is not None and found not in self._expected.tags:
                raise Outdated("it was changed since you read it; read it again, and decide again")
            yield transaction

    async def _tag(self, snapshot: Snapshot) -> str | None:
        if self._expected.kind == "app":
            app = await snapshot.apps.get(self._expected.object_id)
            return None if app is None else tag_of(app_view(app))
        key = await snapshot.keys.get(self._expected.object_id)
        return None if key is None else tag_of(key_view(key, self._clock.now()))
