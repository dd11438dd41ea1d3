"""A fresh admin plane for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.admin.world import AdminWorld


@pytest.fixture
async def world() -> AsyncIterator[AdminWorld]:
    world = AdminWorld()
    await world.populate()
    yield world
    await world.close()
