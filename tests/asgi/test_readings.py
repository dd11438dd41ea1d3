"""A mounted middleware tells its condition and its numbers to the application around it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from gateway_auth import GatewayAuth
from gateway_auth.core.condition import GONE, Condition
from gateway_auth.core.measures import MEASURES
from gateway_auth.prometheus import GatewayCollector
from tests.asgi.raw import get, lifespan
from tests.asgi.world import Echo, Site


async def test_before_it_starts_there_is_nothing_to_tell(site: Site) -> None:
    app = GatewayAuth(Echo(), config=site.config())
    assert (app.condition(), app.readings()) == (GONE, {})


async def test_what_it_counted_is_told_while_it_runs_and_afterwards(site: Site) -> None:
    app = GatewayAuth(Echo(), config=site.config())
    registry = CollectorRegistry()
    registry.register(GatewayCollector(app))
    async with lifespan(app):
        assert (await get(app, "/known", site.keys["plain"])).status == 200
        assert (await get(app, "/known", site.keys["plain"])).status == 200
        assert (await get(app, "/known", None)).status == 401
        assert app.condition() == Condition(True)
        readings = app.readings()
    assert readings["gateway_auth_passed_total", ("known",)] == 2
    assert readings["gateway_auth_refused_total", ("known", "credential_required")] == 1
    assert readings["gateway_auth_key_cache_misses_total", ()] == 1
    assert readings["gateway_auth_key_cache_hits_total", ()] == 1
    assert readings["gateway_auth_workers", ()] == 1
    assert {name for name, _ in readings} <= {measure.name for measure in MEASURES}
    assert not app.condition().is_ready
    text = generate_latest(registry).decode()
    assert 'gateway_auth_passed_total{route="known"} 2.0' in text
    assert "gateway_auth_workers 0.0" in text
