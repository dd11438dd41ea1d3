"""The goals, once: what each may cost at most or must reach at least. It measures nothing."""

from __future__ import annotations

from typing import NamedTuple


class Goal(NamedTuple):
    """`limit` in the unit of the measurement it stands beside."""

    limit: float
    is_at_most: bool = True

    def is_reached(self, value: float) -> bool:
        """Whether a measured value keeps to the goal."""
        return value <= self.limit if self.is_at_most else value >= self.limit


GOALS = {
    "in-process.added": Goal(8.0),
    "in-process.growth": Goal(1.0),
    "http.kept": Goal(80.0, is_at_most=False),
    "routes.ratio": Goal(1.2),
    "keys.p99": Goal(2.0),
    "keys.growth": Goal(64.0),
    "import.time": Goal(80.0),
    "import.forbidden": Goal(0.0),
}
