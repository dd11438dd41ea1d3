"""Time and chance from the operating system. Decides nothing."""

from __future__ import annotations

import secrets
import time


class SystemClock:
    """ports.Clock."""

    def now(self) -> float:
        """UTC epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()


class SystemRandom:
    """ports.Random. Numbers come from the kernel: a forked worker or a cloned machine repeats none."""

    def below(self, limit: int) -> int:
        """A uniform number in [0, limit)."""
        return secrets.randbelow(limit)
