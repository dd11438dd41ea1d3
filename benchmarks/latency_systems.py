"""Whose latency is told at a steady rate, and which percentiles of it. Measures nothing."""

from __future__ import annotations

from benchmarks.systems import BARE, SYSTEMS

PERCENTILES: tuple[float, ...] = (50, 75, 90, 95, 99, 99.9)
TITLES = {name: (BARE.get(name) or SYSTEMS[name]).title for name in (
    "bare", "three_limits", "exact", "leased", "handwritten", "limits_redis",
)}  # fmt: skip
