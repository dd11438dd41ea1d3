"""Leaked secrets while others act too: everything is asked again inside the transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway_auth.core.actor import Actor
from gateway_auth.core.disclosure import Report
from gateway_auth.core.keyformat import KeyFormat
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.core.keys import AppRecord
from gateway_auth.lifecycle.disclosure import DiscloseSecrets, Measures
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.ports import Transaction
from tests.lifecycle.world import ACTOR, PEPPER, World

GITHUB = Actor(kind="disclosure", name="github")


class Raced:
    """A registry in which somebody else acts between the looking and the changing."""

    def __init__(self, world: World, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self.reading = world.memory.reading
        self._transaction = world.memory.transaction
        self._meanwhile = meanwhile

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """After somebody else's."""
        await self._meanwhile()
        async with self._transaction() as transaction:
            yield transaction


def disclosing(world: World, meanwhile: Callable[[], Awaitable[object]]) -> DiscloseSecrets:
    registry = Raced(world, meanwhile)
    peppers = PepperRing(PEPPER)
    return DiscloseSecrets(registry, world.clock, key_format=KeyFormat(), peppers=peppers, measures=Measures())


async def test_a_key_that_was_deleted_meanwhile_is_genuine_and_left_alone(world: World, app: AppRecord) -> None:
    created = await world.keys.create(ACTOR, app.id, "live", KeyFields())
    secrets = disclosing(world, lambda: world.keys.delete(ACTOR, created.record.id))
    assert await secrets.take(GITHUB, [Report(created.text, "key")]) == [True]
    assert world.actions[-1] == "key.delete"


async def test_a_key_that_was_revoked_meanwhile_is_recorded_as_exposed_and_not_revoked_again(
    world: World, app: AppRecord
) -> None:
    created = await world.keys.create(ACTOR, app.id, "live", KeyFields())
    secrets = disclosing(world, lambda: world.keys.revoke(ACTOR, created.record.id))
    assert await secrets.take(GITHUB, [Report(created.text, "key")]) == [True]
    assert world.actions[-2:] == ["key.revoke", "key.exposed"]
