"""A database of its own for each test, on the server of the session."""

import pytest

from tests.postgresql.server import Server


@pytest.fixture
def database(postgresql: Server) -> str:
    """The name of an empty one."""
    return postgresql.new_database()


@pytest.fixture
def url(postgresql: Server, database: str) -> str:
    """Its address, password and all."""
    return postgresql.url(database)
