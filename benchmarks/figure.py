"""One measured number with its spread, and how series of numbers become one. Knows no goal and no scenario."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from msgspec import Struct


class Figure(Struct, frozen=True):
    """`name` is an entry of `goals.GOALS`, `value` in its unit. `spread` says in words how far single rounds were.

    `doubt` says why no goal can be held against it, empty where one can.
    """

    name: str
    value: float
    spread: str
    doubt: str = ""


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


FULL = Sizes()
QUICK = Sizes(
    rounds=12, memory_requests=40_000, server_rounds=3, server_seconds=1.0, matches=20_000,
    keys=100_000, cold_keys=2_000, distinct_keys=20_000, starts=5, first_sights=50, storm=4_000,
    revocations=10, scan_files=10_000, bulk_bytes=50_000_000,
)  # fmt: skip

Scenario = Callable[[Sizes], list[Figure]]


def summarize(name: str, values: Sequence[float], *, lowest_is_best: bool = True, note: str = "") -> Figure:
    """The median of rounds; the spread names the best round and the quartiles."""
    ordered = sorted(values)
    best = ordered[0] if lowest_is_best else ordered[-1]
    low, high = ordered[len(ordered) // 4], ordered[len(ordered) * 3 // 4]
    words = f"best {show(best)}, middle half {show(low)} to {show(high)}"
    return Figure(name, median(ordered), f"{words}; {note}" if note else words)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def show(value: float) -> str:
    """Three significant digits, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
