"""Whether a Redis server is asked at all. It sees only outcomes and a clock; it knows no connection and no loop."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger("gateway_auth.redis")

MAX_FAILURES = 3
SLOW = frozenset(("timeout",))
"""One of these opens at once: whoever asked has lost the whole budget of a request, and must lose no second one."""
PROBE_SECONDS = 0.25
JITTER = 0.2
SETTLED_SECONDS = 1.0
"""After it was closed for this long, the first probe goes out at once: a single slow reply costs others nothing."""
TELL_SECONDS = 10.0


class Breaker:
    """Open after failures; then the owner probes in the background and says `recovered`.

    `monotonic` are seconds that never go back, `chance` a number in [0, 1). `on_change` is called with `is_open`
    after each change. A change is logged once, and not again within `TELL_SECONDS`: a server that comes and goes
    would fill the log.
    """

    __slots__ = (
        "_chance", "_closed_at", "_failures", "_is_first_probe", "_is_told", "_monotonic", "_name", "_on_change",
        "_opened_at", "_told_at", "is_open", "openings", "reason",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        monotonic: Callable[[], float],
        chance: Callable[[], float],
        on_change: Callable[[bool], None] | None = None,
    ) -> None:
        self.is_open = False
        self.reason = ""
        self.openings = 0
        self._name = name
        self._monotonic = monotonic
        self._chance = chance
        self._on_change = on_change
        self._failures = 0
        self._closed_at = self._told_at = float("-inf")
        self._opened_at = 0.0
        self._is_first_probe = self._is_told = False

    def succeeded(self) -> None:
        """A command was answered in time. One that was under way when it opened does not close it."""
        self._failures = 0

    def failed(self, kind: str) -> None:
        """A command was not answered, or with a word that stands for the whole server."""
        self._failures += 1
        if not self.is_open and (kind in SLOW or self._failures >= MAX_FAILURES):
            self._open(kind)

    def probe_delay(self) -> float:
        """Seconds to wait before the next probe; workers and nodes that lost Redis together come back apart."""
        if self._is_first_probe:
            self._is_first_probe = False
            return 0.0
        return PROBE_SECONDS * (1 - JITTER + 2 * JITTER * self._chance())

    def recovered(self) -> None:
        """A probe was answered in time."""
        self._failures = 0
        if not self.is_open:
            return
        self.is_open = False
        self._closed_at = self._monotonic()
        if self._is_told:
            logger.warning("Redis %s answers again after %.2f s", self._name, self._closed_at - self._opened_at)
        self._changed()

    def _open(self, kind: str) -> None:
        now = self._monotonic()
        self.is_open = True
        self.reason = kind
        self.openings += 1
        self._opened_at = now
        self._is_first_probe = now - self._closed_at >= SETTLED_SECONDS
        self._is_told = now - self._told_at >= TELL_SECONDS
        if self._is_told:
            self._told_at = now
            logger.warning("Redis %s is left alone until it answers again: %s", self._name, kind)
        self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change(self.is_open)
