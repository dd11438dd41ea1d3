"""What tests of several rooms share: an OpenID provider and a PostgreSQL, each started for the first that wants it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgresql.server import Server
    from tests.provider.harness import Provider


@pytest.fixture(scope="session")
def shared_provider() -> Iterator[Provider]:
    """The provider's process. Ask for `provider` instead."""
    from tests.provider.harness import running_provider

    with running_provider() as running:
        yield running


@pytest.fixture
def provider(shared_provider: Provider) -> Provider:
    """The provider with nothing counted and nothing failing; its keys and tokens may be those of earlier tests."""
    shared_provider.reset()
    return shared_provider


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server. Each test makes a database of its own in it."""
    from tests.postgresql.server import running_server

    with running_server() as running:
        yield running
