"""How often the admin plane was asked, by operation and status: closed sets, nothing a client sends."""

from __future__ import annotations

from collections import Counter


class Counts:
    """In this process, since it started."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()

    def note(self, operation: str, status: int) -> None:
        """One answer."""
        self.answers[(operation, status)] += 1
