"""Whether the peppers that are configured are enough for the keys there are."""

from __future__ import annotations

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.config import Configuration
from gateway_auth.errors import ConfigError, Problem

_MANY = 1000


async def refuse_unverifiable(store: SqlStore, configuration: Configuration) -> None:
    """Raises ConfigError where keys would be refused for want of the pepper their digests were made with."""
    count = await store.count_unverifiable(configuration.peppers.ids, at_most=_MANY)
    if count:
        keys = "a key needs" if count == 1 else f"{count} keys need" if count < _MANY else f"{_MANY} keys or more need"
        message = (
            f"{keys} a pepper that is not configured, and would be refused: name it here until they were used,"
            " or revoke them"
        )
        raise ConfigError([Problem("secrets.previous_peppers", message)])
