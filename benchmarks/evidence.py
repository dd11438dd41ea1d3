"""Whether two series of rounds differ: a test of ranks, and an interval for the ratio of their medians.

Neither supposes anything about the shape of the noise. Knows no figure.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import cache
from statistics import median

RESAMPLES = 1_000
EXACT_UP_TO = 20
"""Rounds in a series up to which the chance is counted out; beyond it, or with ties, it is near a normal one."""


def chance_of_no_difference(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p of Mann and Whitney: how often rounds of one and the same thing lie apart like this."""
    below = sum((a < b) + (a == b) / 2 for a in one for b in other)
    pairs = len(one) * len(other)
    has_ties = len({*one, *other}) < len(one) + len(other)
    if has_ties or max(len(one), len(other)) > EXACT_UP_TO:
        return _near_normal(below, one, other)
    least = int(min(below, pairs - below))
    arrangements = math.comb(len(one) + len(other), len(one))
    at_most = sum(_arrangements(len(one), len(other), u) for u in range(least + 1))
    return min(1.0, 2 * at_most / arrangements)


@cache
def _arrangements(n: int, m: int, u: int) -> int:
    """In how many orders of n and m exactly u pairs stand the one way round."""
    if u < 0:
        return 0
    if n == 0 or m == 0:
        return int(u == 0)
    return _arrangements(n - 1, m, u - m) + _arrangements(n, m - 1, u)


def _near_normal(below: float, one: Sequence[float], other: Sequence[float]) -> float:
    n, m = len(one), len(other)
    every = sorted((*one, *other))
    ties = sum(count**3 - count for count in (every.count(value) for value in set(every)))
    spread = math.sqrt(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))))
    if spread == 0:
        return 1.0  # all the same
    distance = max(0.0, abs(below - n * m / 2) - 0.5) / spread
    return math.erfc(distance / math.sqrt(2))


def interval_of_ratio(one: Sequence[float], other: Sequence[float], share: float = 0.95) -> tuple[float, float]:
    """Where the ratio of the medians, other over one, lies with this certainty, by drawing the rounds again."""
    chance = random.Random(1)
    ratios = sorted(
        median(chance.choices(other, k=len(other))) / (median(chance.choices(one, k=len(one))) or math.nan)
        for _ in range(RESAMPLES)
    )
    edge = int(RESAMPLES * (1 - share) / 2)
    return ratios[edge], ratios[-1 - edge]
