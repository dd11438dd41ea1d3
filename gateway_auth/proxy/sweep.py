"""One coarse clock for all waiting: a single timer per worker instead of one per request.

Knows nothing of HTTP. A timer or a task per request costs a fifth or more of the proxy's work; one pass over
what is in flight, a few times a second, next to nothing. So timeouts are never early and up to one tick late.
"""

from __future__ import annotations

import asyncio
import math
from typing import Protocol


class Swept(Protocol):
    """Something in flight that wants to know that time passes."""

    def on_tick(self, now: int) -> None:
        """`now` in ticks. May remove itself or others from the sweep."""


class Reaped(Protocol):
    """Something that keeps idle things for a while."""

    def reap(self, now: int) -> bool:
        """Let go of what is due; True while there is more to come back for."""


class Sweep:
    """Runs only while something is in flight or idle; a quiet worker has no timer."""

    __slots__ = ("_in_flight", "_loop", "_reaped", "_tick_seconds", "_timer", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop, tick_seconds: float) -> None:
        self._loop = loop
        self._tick_seconds = tick_seconds
        self._in_flight: set[Swept] = set()
        self._reaped: list[Reaped] = []
        self._timer: asyncio.TimerHandle | None = None
        self.now = 0

    def ticks(self, seconds: float) -> int:
        """As a distance from `now`; one more than needed, since the current tick has partly gone by."""
        return math.ceil(seconds / self._tick_seconds) + 1

    def seconds(self, ticks: int) -> float:
        """How long so many ticks take."""
        return ticks * self._tick_seconds

    def add(self, item: Swept) -> None:
        """Call `item.on_tick` from now on."""
        self._in_flight.add(item)
        if self._timer is None:
            self.wake()

    def discard(self, item: Swept) -> None:
        """Forget it; harmless when it is not there."""
        self._in_flight.discard(item)

    def visit(self, reaped: Reaped) -> None:
        """Also ask this one on every tick, for ever."""
        self._reaped.append(reaped)

    def wake(self) -> None:
        """See to it that the next tick comes."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick_seconds, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.now += 1
        for item in tuple(self._in_flight):
            item.on_tick(self.now)
        has_idle = [reaped.reap(self.now) for reaped in self._reaped]
        if self._in_flight or any(has_idle):
            self.wake()
