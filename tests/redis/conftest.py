"""One server for all tests of this room, as nothing in it says whose keys they are but their prefix."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.redis.server import running_server

_numbers = count(1)


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """Where a real server listens."""
    with running_server() as at:
        yield at


@pytest.fixture
def prefix() -> str:
    """A key prefix nobody else has."""
    return f"test{next(_numbers)}"
