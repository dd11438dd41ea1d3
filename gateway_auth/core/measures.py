"""What a gateway counts about itself, as a closed list: names, meanings, labels, and how workers' numbers become one.

Every label's values come from the configuration or from a closed set; nothing a client sends is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec import Struct


class Measure(Struct, frozen=True):
    """One measure. `across` says what the numbers of several workers come to; counters are always added."""

    name: str
    meaning: str
    kind: Literal["counter", "gauge"] = "counter"
    labels: tuple[str, ...] = ()
    across: Literal["sum", "max", "min"] = "sum"


Series = tuple[str, tuple[str, ...]]
"""The name of a measure, and the values of its labels in their order."""

Readings = Mapping[Series, float]

MEASURES = (
    Measure("gateway_auth_passed_total", "Requests passed on, by route.", labels=("route",)),
    Measure("gateway_auth_refused_total", "Refusals by route and reason code.", labels=("route", "reason")),
    Measure(
        "gateway_auth_shadowed_total",
        "Requests passed on that a route in shadow mode would have refused.",
        labels=("route", "reason"),
    ),
    Measure("gateway_auth_limited_total", "Refusals by the limit that was reached.", labels=("route", "limit")),
    Measure(
        "gateway_auth_uncounted_total",
        "Requests whose limits could not be counted in Redis, by what on_unavailable says.",
        labels=("on_unavailable",),
    ),
    Measure("gateway_auth_workers", "Workers that tell their numbers.", "gauge"),
    Measure("gateway_auth_degraded", "1 while a worker does without this dependency.", "gauge", ("dependency",), "max"),
    Measure("gateway_auth_key_cache_size", "API keys and unknown ids in the memory of workers.", "gauge"),
    Measure("gateway_auth_key_cache_hits_total", "API keys that were in memory."),
    Measure("gateway_auth_key_cache_misses_total", "API keys that had to be read from Redis or the store."),
    Measure(
        "gateway_auth_shared_key_cache_total", "Looks into the key cache in Redis, by outcome.", labels=("outcome",)
    ),
    Measure(
        "gateway_auth_change_revision", "Revision of the change log, of the worker furthest back.", "gauge", (), "min"
    ),
    Measure(
        "gateway_auth_change_age_seconds", "Since the change log was last read; of the oldest.", "gauge", (), "max"
    ),
    Measure("gateway_auth_redis_calls_total", "Commands given to Redis; those refused by an open breaker too."),
    Measure("gateway_auth_redis_failures_total", "Commands and probes that failed, by kind.", labels=("kind",)),
    Measure("gateway_auth_redis_breaker_open", "1 while a worker leaves a Redis server alone.", "gauge", (), "max"),
    Measure("gateway_auth_redis_breaker_openings_total", "How often a worker began to leave a Redis server alone."),
    Measure("gateway_auth_live_workers", "Workers of all nodes, as heard through Redis.", "gauge", (), "max"),
)

_MEASURES = {measure.name: measure for measure in MEASURES}
_WAYS: dict[str, Callable[[list[float]], float]] = {"sum": sum, "max": max, "min": min}


def join(workers: Iterable[Readings]) -> dict[Series, float]:
    """The numbers of several workers as one. What is in no list is left out."""
    found: dict[Series, list[float]] = {}
    for readings in workers:
        for series, value in readings.items():
            if series[0] in _MEASURES:
                found.setdefault(series, []).append(value)
    return {series: float(_WAYS[_MEASURES[series[0]].across](values)) for series, values in found.items()}


def counters(readings: Readings) -> dict[Series, float]:
    """Those numbers that only grow: they count on when their worker is gone."""
    return {series: value for series, value in readings.items() if _is_counter(series[0])}


def _is_counter(name: str) -> bool:
    measure = _MEASURES.get(name)
    return measure is not None and measure.kind == "counter"
