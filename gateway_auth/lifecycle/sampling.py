"""How many events of one kind are put on record: enough to see what goes on, too few to fill a disk."""

from __future__ import annotations

from gateway_auth.ports import Clock


class PerMinute:
    """Lets so many through in each minute of UTC."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._now = clock.now
        self._minute = 0
        self._let_through = 0

    def may(self) -> bool:
        """Whether one more is let through; it counts as let through."""
        minute = int(self._now() // 60)
        if minute != self._minute:
            self._minute, self._let_through = minute, 0
        if self._let_through >= self._most:
            return False
        self._let_through += 1
        return True
