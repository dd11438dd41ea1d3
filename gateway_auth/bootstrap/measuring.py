"""Reads the numbers that the parts of a running gateway keep anyway. It counts nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from gateway_auth.core.measures import Series

if TYPE_CHECKING:
    from gateway_auth.bootstrap.gateway import Gateway
    from gateway_auth.bootstrap.shared import Shared

DEPENDENCIES = ("store", "redis")


def measure(gateway: Gateway) -> dict[Series, float]:
    """The numbers of one gateway, as of now."""
    return {(f"gateway_auth_{name}", labels): float(value) for name, labels, value in _of_gateway(gateway)}


Label = TypeVar("Label", bound=str)
_Numbers = Iterator[tuple[str, tuple[str, ...], float]]


def _of_gateway(gateway: Gateway) -> _Numbers:
    yield from _of_decisions(gateway)
    without = gateway.degraded
    for name in DEPENDENCIES[: 1 if gateway.shared is None else 2]:
        yield "degraded", (name,), name in without
    yield "workers", (), not gateway.is_closed
    keys, changes = gateway.keys, gateway.changes
    yield "key_cache_size", (), keys.remembered
    yield "key_cache_hits_total", (), keys.hits
    yield "key_cache_misses_total", (), keys.misses
    yield "change_revision", (), changes.revision
    yield "change_age_seconds", (), changes.age_seconds
    if gateway.shared is not None:
        yield from _of_shared(gateway.shared)


def _of_decisions(gateway: Gateway) -> _Numbers:
    recorder = gateway.recorder
    yield from _by(recorder.passed, "passed_total")
    for (route, reason), count in (*recorder.refused.items(),):
        yield "refused_total", (route, reason.value), count
    for (route, reason), count in (*recorder.shadowed.items(),):
        yield "shadowed_total", (route, reason.value), count
    for labels, count in (*recorder.limited.items(),):
        yield "limited_total", labels, count


def _of_shared(shared: Shared) -> _Numbers:
    yield from _by(shared.limits.own.uncounted, "uncounted_total")
    yield from _by(shared.looks(), "shared_key_cache_total")
    yield from _by(shared.failures(), "redis_failures_total")
    yield "redis_calls_total", (), shared.calls
    yield "redis_breaker_open", (), shared.is_left_alone
    yield "redis_breaker_openings_total", (), shared.openings
    yield "live_workers", (), shared.share.workers


def _by(counts: Mapping[Label, int], name: str) -> _Numbers:
    for label, count in (*counts.items(),):
        yield name, (str(label),), count
