"""A worker's last words to its WebSockets: they are closed with 1001 before Granian stops, which would just drop them.

Granian hands its workers' stop signals to the event loop in one function of its own; ours goes in between.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol

from granian import _signals

FAREWELL_SECONDS = 3.0
"""For clients to answer the close; much less than what requests in flight may take afterwards."""


class Stop(Protocol):
    """What Granian's function gives back: `set` begins the stop."""

    def set(self) -> None: ...


def say_farewell(leave: Callable[[], Awaitable[None]]) -> None:
    """Have `leave` awaited, for a moment, between the signal to stop and the stop of this worker."""
    as_left: Callable[[asyncio.AbstractEventLoop], Stop] = _signals.set_loop_signals

    def set_loop_signals(loop: asyncio.AbstractEventLoop) -> Stop:
        stop = as_left(loop)
        farewells: set[asyncio.Task[None]] = set()

        def begin() -> None:
            if farewells:
                stop.set()  # Told twice, it is to go at once.
            else:
                farewells.add(loop.create_task(_leave(leave, stop)))

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, begin)
        return stop

    _signals.set_loop_signals = set_loop_signals


async def _leave(leave: Callable[[], Awaitable[None]], stop: Stop) -> None:
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await leave()
    except TimeoutError:
        pass
    finally:
        stop.set()
