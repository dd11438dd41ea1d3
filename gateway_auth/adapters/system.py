"""Time and chance from the operating system. Decides nothing."""

from __future__ import annotations

import secrets
import time


class SystemClock:
    """ports.Clock. The functions of `time` themselves: a method around each would double what reading a clock costs."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class SystemRandom:
    """ports.Random. Numbers come from the kernel: a forked worker or a cloned machine repeats none."""

    def below(self, limit: int) -> int:
        """A uniform number in [0, limit)."""
        return secrets.randbelow(limit)
