"""Reads keys from the store: so many at a time, each for so long, and guesses never in all of the places.

It remembers nothing and knows no log of changes.
"""

from __future__ import annotations

import asyncio

from gateway_auth.engine.patience import within
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import KeyReading, KeyStore

MAX_READS = 32
MAX_OF_STRANGERS = 24
"""Of those, readings of ids that nobody has proven a key of: whoever makes up ids fills these places and no others."""
READ_TIMEOUT_SECONDS = 2.0


class KeyReads:
    """Waits for a place and for the store."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._places = asyncio.Semaphore(MAX_READS)
        self._of_strangers = asyncio.Semaphore(MAX_OF_STRANGERS)

    async def read(self, key_id: str, *, is_stranger: bool) -> KeyReading:
        """The key as the store has it. Raises StoreUnavailable, also when that takes too long."""
        try:
            async with within(READ_TIMEOUT_SECONDS):
                return await (self._read_stranger(key_id) if is_stranger else self._read(key_id))
        except TimeoutError as error:
            raise StoreUnavailable("the store did not answer in time") from error

    async def _read_stranger(self, key_id: str) -> KeyReading:
        async with self._of_strangers:
            return await self._read(key_id)

    async def _read(self, key_id: str) -> KeyReading:
        async with self._places:
            return await self._store.read_key(key_id)
