"""One call for many callers who ask for the same thing at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Callers who come while a call for their key is under way share its answer or its exception.

    The call runs in a task of its own: a caller who is cancelled leaves it to the others.
    """

    def __init__(self) -> None:
        self._flights: dict[K, asyncio.Task[V]] = {}

    async def do(self, key: K, call: Callable[[], Awaitable[V]]) -> V:
        """The answer of `call`, or of the call for the same key that is already under way."""
        flight = self._flights.get(key)
        if flight is None or flight.done():
            flight = self._start(key, call)
        return await asyncio.shield(flight)

    def _start(self, key: K, call: Callable[[], Awaitable[V]]) -> asyncio.Task[V]:
        flight = asyncio.ensure_future(_run(call))
        self._flights[key] = flight
        flight.add_done_callback(partial(self._land, key))
        return flight

    def begin(self, key: K, call: Callable[[], Awaitable[V]]) -> None:
        """Have `call` made for whoever asks soon, unless one for the key is under way. Waits for nothing."""
        if key not in self._flights:
            self._start(key, call)

    async def close(self) -> None:
        """End every call under way; who waits for one is cancelled."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _land(self, key: K, flight: asyncio.Task[V]) -> None:
        # The next call for the key may have begun before this one's end was told.
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            # Seen here so that a flight all of whose callers left does not complain when it is collected.
            flight.exception()

    def __len__(self) -> int:
        return len(self._flights)


async def _run(call: Callable[[], Awaitable[V]]) -> V:
    return await call()
