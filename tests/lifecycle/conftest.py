"""A fresh world, with one app and one key where a test wants them."""

import pytest

from gateway_auth.core.keys import AppRecord
from gateway_auth.lifecycle.apps import AppFields
from gateway_auth.lifecycle.create_key import CreatedKey
from gateway_auth.lifecycle.key_fields import KeyFields
from tests.lifecycle.world import ACTOR, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def app(world: World) -> AppRecord:
    return await world.apps.create(ACTOR, AppFields(name="Orders"))


@pytest.fixture
async def created(world: World, app: AppRecord) -> CreatedKey:
    return await world.keys.create(ACTOR, app.id, "live", KeyFields(name="ci", scopes=["orders:read"]))
