"""The numbers of a gateway for Prometheus: `REGISTRY.register(GatewayCollector(gateway))` in an application of yours.

Needs `pip install 'gateway-auth[metrics]'`. `gateway-auth serve` has a listener of its own: `gateway.status_listen`.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.core.measures import MEASURES, Readings

Family = CounterMetricFamily | GaugeMetricFamily


class GatewayCollector(Collector):
    """Reads a mounted middleware whenever Prometheus asks; nothing while it has not started."""

    def __init__(self, gateway: GatewayAuth) -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[Family]:
        """The measures with a number."""
        return families(self._gateway.readings())

    def describe(self) -> Iterator[Family]:
        """All of them, so that registering asks nothing of a gateway that has not started."""
        return families({})


def families(readings: Readings) -> Iterator[Family]:
    """One family for each measure, in the order of the list, with its numbers."""
    found: dict[str, list[tuple[tuple[str, ...], float]]] = {}
    for (name, labels), value in sorted(readings.items()):
        found.setdefault(name, []).append((labels, value))
    for measure in MEASURES:
        kind = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
        family = kind(measure.name, measure.meaning, labels=measure.labels)
        for labels, value in found.get(measure.name, ()):
            family.add_metric(labels, value)
        yield family
