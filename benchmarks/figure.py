"""One measured number with its spread, and how series of numbers become one. Knows no goal and no scenario."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from msgspec import Struct


class Figure(Struct, frozen=True):
    """`name` is an entry of `goals.GOALS`, `value` in its unit. `spread` says in words how far single rounds were.

    `doubt` says why no goal can be held against it, empty where one can. `rounds` are what it was made of.
    """

    name: str
    value: float
    spread: str
    doubt: str = ""
    rounds: tuple[float, ...] = ()


class Sizes(Struct, frozen=True, kw_only=True):
    """How much is done. The defaults are those of a full run."""

    rounds: int = 30
    requests: int = 5_000
    memory_requests: int = 200_000
    server_rounds: int = 6
    server_seconds: float = 2.0
    routes: tuple[int, ...] = (10, 1_000, 10_000)
    matches: int = 50_000
    keys: int = 1_000_000
    cold_keys: int = 5_000
    distinct_keys: int = 100_000
    warming_keys: int = 20_000
    starts: int = 15
    first_sights: int = 100
    storm: int = 10_000
    revocations: int = 50
    scan_files: int = 40_000
    bulk_bytes: int = 200_000_000
    beside_rounds: int = 8
    beside_seconds: float = 1.0
    beside_keys: int = 40_000
    beside_tokens: int = 20_000
    latency_rounds: int = 7
    latency_seconds: float = 2.0
    growth_rounds: int = 7
    growth_requests: int = 2_500
    growth_key_points: int = 5
    growth_seconds: float = 1.0


FULL = Sizes()
BENCH = Sizes(
    rounds=20, memory_requests=100_000, server_rounds=5, server_seconds=1.0, keys=200_000, cold_keys=3_000,
    distinct_keys=40_000, starts=9, first_sights=60, storm=3_000, revocations=12, scan_files=20_000,
    bulk_bytes=100_000_000, beside_rounds=5, beside_seconds=0.7, beside_tokens=17_000, latency_rounds=4,
    latency_seconds=0.8, growth_rounds=5, growth_requests=1_500, growth_seconds=0.4,
)  # fmt: skip
"""What takes ten minutes: enough rounds for each figure to be compared with those of another run."""
QUICK = Sizes(
    rounds=12, memory_requests=40_000, server_rounds=3, server_seconds=1.0, matches=20_000,
    keys=100_000, cold_keys=2_000, distinct_keys=20_000, starts=5, first_sights=50, storm=4_000,
    revocations=10, scan_files=10_000, bulk_bytes=50_000_000, beside_rounds=3, beside_seconds=0.5,
    beside_tokens=17_000, latency_rounds=3, latency_seconds=0.7, growth_rounds=3, growth_requests=1_000,
    growth_key_points=4, growth_seconds=0.5,
)  # fmt: skip

Scenario = Callable[[Sizes], list[Figure]]


def summarize(name: str, values: Sequence[float], *, lowest_is_best: bool = True, note: str = "") -> Figure:
    """The median of rounds; the spread names the best round and the quartiles."""
    ordered = sorted(values)
    best = ordered[0] if lowest_is_best else ordered[-1]
    low, high = ordered[len(ordered) // 4], ordered[len(ordered) * 3 // 4]
    words = f"best {show(best)}, middle half {show(low)} to {show(high)}"
    return Figure(name, median(ordered), f"{words}; {note}" if note else words, rounds=tuple(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def show(value: float) -> str:
    """Three significant digits, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
