"""Whose latency is told at a steady rate, and which percentiles of it. Measures nothing."""

from __future__ import annotations

PERCENTILES: tuple[float, ...] = (50, 75, 90, 95, 99, 99.9)
RATE = 400.0
"""Requests per second: less than the slowest can do, so that no queue grows."""
TITLES = {
    "bare": "app alone",
    "three_limits": "gateway-auth, limits in process",
    "leased": "gateway-auth, leased limits",
    "exact": "gateway-auth, exact limits in Redis",
    "limits_redis": "limits alone, by `limits` in Redis",
    "handwritten": "handwritten, key and limits in Redis",
}
"""By the names of `systems`."""
