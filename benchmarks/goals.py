"""Every figure there is and what it should be: the only place where goals stand. It measures nothing."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from benchmarks.axes import AXES
from benchmarks.latency_systems import PERCENTILES, TITLES
from benchmarks.systems import BARE, SYSTEMS, figures_of


class Goal(Struct, frozen=True):
    """What a figure is, its unit, and its limit; without one it is told for information."""

    title: str
    unit: str = ""
    kind: Literal["at most", "at least", "none"] = "none"
    limit: float = 0.0

    def holds(self, value: float) -> bool | None:
        """Whether the value is within the limit; None where there is none."""
        if self.kind == "none":
            return None
        return value <= self.limit if self.kind == "at most" else value >= self.limit


STEP_TITLES = {
    "scope": "Scope to facts: one pass over the headers, path, address",
    "route": "Route",
    "extract": "The credential among the headers",
    "cache": "The key in memory, and that it is this one",
    "decide": "Networks, state and end, referrer, scopes, roles",
    "limits": "Two limits",
    "child": "The scope for the app behind",
    "outcome": "RateLimit headers",
    "respond": "The answer, and that it was used",
    "pass": "Between the steps: request id, the middleware itself",
    "all": "All of it",
}
"""What a request goes through, in this order (`steps`)."""

_PARTS = {
    "kept": ("requests/s kept", "%"),
    "cpu_kept": ("kept, reckoned from server CPU time per request", "%"),
    "rate": ("requests per second", "requests/s"),
    "cpu": ("server CPU per request", "µs"),
}


def _beside(name: str) -> dict[str, Goal]:
    """A system beside its bare app: told without goals."""
    title = (BARE.get(name) or SYSTEMS[name]).title
    return {
        figure: Goal(f"{title}: {_PARTS[figure.rpartition('.')[2]][0]}", _PARTS[figure.rpartition(".")[2]][1])
        for figure in figures_of(name)
    }


def _growth() -> dict[str, Goal]:
    """Along an axis: told without goals."""
    return {
        f"growth.{axis}.{at}.{line}": Goal(f"{AXES[axis].title}, {at:,}: {AXES[axis].lines[line]}", AXES[axis].unit)
        for axis in AXES
        for at in AXES[axis].at
        for line in AXES[axis].lines
    }


GOALS: dict[str, Goal] = {
    "in_process.added": Goal("Middleware, cached key: CPU added per request", "µs", "at most", 8.0),
    "in_process.ratio": Goal("… as a multiple of one HMAC-SHA-256 of 60 bytes", "×"),
    "in_process.calibration": Goal("One HMAC-SHA-256 of 60 bytes on this machine", "µs"),
    "in_process.read": Goal("Step: reading the request", "µs"),
    "in_process.decide": Goal("Step: deciding", "µs"),
    "in_process.answer": Goal("Step: passing on and answering", "µs"),
    "in_process.growth": Goal("Memory held after more requests of the same kind", "KiB", "at most", 64.0),
    **{f"steps.{step}": Goal(title, "µs") for step, title in STEP_TITLES.items()},
    **{f"steps.{step}.instructions": Goal(title, "instructions") for step, title in STEP_TITLES.items()},
    "http.uvicorn.share": Goal("uvicorn, Starlette JSON app: requests/s kept", "%", "at least", 80.0),
    "http.uvicorn.cpu_share": Goal("… the same, reckoned from server CPU time per request", "%", "at least", 80.0),
    "http.uvicorn.bare": Goal("uvicorn without the middleware", "requests/s"),
    "http.uvicorn.cpu": Goal("uvicorn: server CPU added per request", "µs"),
    "http.granian.share": Goal("Granian, Starlette JSON app: requests/s kept", "%", "at least", 80.0),
    "http.granian.cpu_share": Goal("… the same, reckoned from server CPU time per request", "%", "at least", 80.0),
    "http.granian.bare": Goal("Granian without the middleware", "requests/s"),
    "http.granian.cpu": Goal("Granian: server CPU added per request", "µs"),
    "tokens.added": Goal("Middleware, token seen before: CPU added per request", "µs", "at most", 9.0),
    "tokens.rs256": Goal("Token seen for the first time, RS256, over the bare signature check", "×", "at most", 1.6),
    "tokens.es256": Goal("… ES256", "×", "at most", 2.0),
    "tokens.ed25519": Goal("… Ed25519", "×", "at most", 2.0),
    "tokens.hs256": Goal("… HS256, all of it", "µs", "at most", 40.0),
    "storm.fetches": Goal("Key sets fetched for made-up keys", "fetches", "at most", 2.0),
    "storm.p99": Goal("Good requests meanwhile: 99th percentile, over alone", "×", "at most", 1.2),
    "storm.growth": Goal("Memory the server holds after it", "MB"),
    "shared.share": Goal("uvicorn, exact limits in Redis: requests/s kept", "%", "at least", 60.0),
    "shared.cpu_share": Goal("… the same, reckoned from server CPU time per request", "%", "at least", 60.0),
    "shared.calls": Goal("Calls to Redis per request", "calls", "at most", 0.1),
    "shared.many": Goal("… at 512 connections, over at 32", "%", "at least", 100.0),
    "shared.many_bare": Goal("The app alone, at 512 connections over at 32", "%"),
    "shared.many_share": Goal("Exact at 512 connections: requests/s kept of the app’s at 512", "%"),
    "shared.own_many_share": Goal("… on our HTTP/1.1, of the app’s on uvicorn’s", "%"),
    "shared.leased_share": Goal("uvicorn, leased limits: requests/s kept", "%", "at least", 78.0),
    "shared.leased_cpu_share": Goal("… the same, reckoned from server CPU time per request", "%", "at least", 78.0),
    "shared.leased_calls": Goal("Calls to Redis per request, leased", "calls"),
    "shared.own_share": Goal(
        "Our HTTP/1.1, exact limits: of the app on uvicorn’s, requests/s kept", "%", "at least", 60.0
    ),
    "shared.own_cpu_share": Goal("… the same, reckoned from server CPU time per request", "%", "at least", 60.0),
    "shared.own_leased_share": Goal("… leased limits: requests/s kept", "%", "at least", 78.0),
    "shared.own_leased_cpu_share": Goal("… the same, reckoned from server CPU time per request", "%", "at least", 78.0),
    "shared.single_share": Goal("Exact with one call for each request instead: requests/s kept", "%"),
    "revoke.p99": Goal("Key revoked under load: last accepted by any worker, 99th percentile", "ms", "at most", 250.0),
    "revoke.worst": Goal("… worst", "ms", "at most", 1000.0),
    "proxy.rate": Goal("Standalone proxy with key, scope, network and limit checked, on one core", "requests/s"),
    "proxy.cpu": Goal("… server CPU per request", "µs"),
    "proxy.upstream": Goal("Its upstream asked directly", "requests/s"),
    "proxy.envoy": Goal("Proxy: rate over that of Envoy checking key and limit", "×", "at least", 1.0),
    "proxy.envoy_cpu": Goal("… the same, reckoned from server CPU time per request", "×", "at least", 1.0),
    "proxy.traefik": Goal("… over Traefik, which checks nothing: rate", "×", "at least", 1.0),
    "proxy.traefik_cpu": Goal("… the same, reckoned from server CPU time per request", "×", "at least", 1.0),
    "proxy.caddy": Goal("… over Caddy, which checks nothing: rate", "×", "at least", 1.6),
    "proxy.caddy_cpu": Goal("… the same, reckoned from server CPU time per request", "×", "at least", 1.6),
    "proxy.python": Goal("… over the best proxy in Python, which checks nothing: rate", "×", "at least", 2.5),
    "proxy.python_cpu": Goal("… the same, reckoned from server CPU time per request", "×", "at least", 2.5),
    "proxy.unlike": Goal("… over Envoy, where no two requests are alike: rate", "×", "at least", 0.8),
    "proxy.unlike_cpu": Goal("… the same, reckoned from server CPU time per request", "×", "at least", 0.8),
    "proxy.envoy_bare": Goal("… over the same Envoy checking nothing: rate", "×"),
    "proxy.envoy_bare_cpu": Goal("… the same, reckoned from server CPU time per request", "×"),
    "proxy.nginx": Goal("… over nginx, which checks nothing: rate", "×"),
    "proxy.nginx_cpu": Goal("… the same, reckoned from server CPU time per request", "×"),
    "proxy.p99": Goal("Proxy at half load: 99th percentile, over Envoy's", "×", "at most", 2.0),
    "proxy.p99_added": Goal("… more than without a proxy", "ms", "at most", 0.3),
    "forward_auth.ratio": Goal("nginx auth_request: rate over that of asking an empty app", "×", "at least", 0.8),
    "forward_auth.cpu_ratio": Goal("… the same, reckoned from CPU time of nginx and app", "×", "at least", 0.8),
    "forward_auth.unlike": Goal("… where no two requests are alike", "×", "at least", 0.8),
    "forward_auth.unlike_cpu": Goal("… the same, reckoned from CPU time of nginx and app", "×", "at least", 0.8),
    "forward_auth.rate": Goal("… requests per second through nginx", "requests/s"),
    "forward_auth.cpu": Goal("… CPU of nginx and gateway per request", "µs"),
    "forward_auth.app": Goal("… by forward-auth as an app on the empty app's server: rate over it", "×"),
    "bulk.down": Goal("Standalone proxy, large bodies down: throughput of nginx's", "%", "at least", 50.0),
    "bulk.up": Goal("Standalone proxy, large bodies up: throughput of nginx's", "%", "at least", 50.0),
    "bulk.growth": Goal("Standalone proxy, 50 MB to a slow reader: memory added", "MB", "at most", 10.0),
    "routes.match": Goal("Finding the route, smallest table", "µs"),
    "routes.medium": Goal("Same requests, middle table, compared with it", "×", "at most", 1.2),
    "routes.large": Goal("Same requests, largest table, compared with it", "×", "at most", 1.2),
    "routes.cold": Goal("Requests spread evenly over the largest table", "×"),
    "keys.p50": Goal("Key not in memory: median", "ms"),
    "keys.p99": Goal("Key not in memory: 99th percentile", "ms", "at most", 2.0),
    "keys.growth": Goal("Memory added by keys beyond a full cache", "MB", "at most", 30.0),
    "management.sqlite.create": Goal("SQLite, many keys: creating one, over 1,000", "×", "at most", 1.2),
    "management.sqlite.look_up": Goal("… looking one up", "×", "at most", 1.2),
    "management.sqlite.disable": Goal("… disabling one", "×", "at most", 1.2),
    "management.sqlite.first": Goal("… the first hundred", "ms", "at most", 10.0),
    "management.sqlite.middle": Goal("… a hundred in the middle", "ms", "at most", 10.0),
    "management.sqlite.app": Goal("… a hundred of an app", "ms", "at most", 10.0),
    "management.sqlite.big_app": Goal("… of an app that has a tenth of all, in the middle", "ms", "at most", 10.0),
    "management.sqlite.owner": Goal("… of an owner of ten apps", "ms", "at most", 10.0),
    "management.sqlite.big_owner": Goal("… of an owner who has a tenth of all", "ms", "at most", 10.0),
    "management.sqlite.verify": Goal("… following the chain of the audit", "records/s", "at least", 100_000.0),
    "management.postgresql.create": Goal("PostgreSQL, many keys: creating one, over 1,000", "×", "at most", 1.2),
    "management.postgresql.look_up": Goal("… looking one up", "×", "at most", 1.2),
    "management.postgresql.disable": Goal("… disabling one", "×", "at most", 1.2),
    "management.postgresql.first": Goal("… the first hundred", "ms", "at most", 10.0),
    "management.postgresql.middle": Goal("… a hundred in the middle", "ms", "at most", 10.0),
    "management.postgresql.app": Goal("… a hundred of an app", "ms", "at most", 10.0),
    "management.postgresql.big_app": Goal("… of an app that has a tenth of all, in the middle", "ms", "at most", 10.0),
    "management.postgresql.owner": Goal("… of an owner of ten apps", "ms", "at most", 10.0),
    "management.postgresql.big_owner": Goal("… of an owner who has a tenth of all", "ms", "at most", 10.0),
    "management.postgresql.verify": Goal("… following the chain of the audit", "records/s", "at least", 100_000.0),
    "management.counting": Goal("Counting a request: CPU", "µs", "at most", 0.5),
    "imports.inside": Goal("Import and construct the middleware", "ms", "at most", 80.0),
    "imports.process": Goal("… as a whole process, over an empty one", "ms"),
    "imports.heavy": Goal("Heavy packages loaded by that", "packages", "at most", 0.0),
    "scan.tree": Goal("Looking for leaked keys in a source tree", "MB/s", "at least", 200.0),
    "scan.cpu": Goal("… reckoned from its CPU time, git's included", "MB/s"),
    "scan.line": Goal("… in one endless line of keys with wrong checksums", "MB/s"),
    **{name: goal for system in (*BARE, *SYSTEMS) for name, goal in _beside(system).items()},
    **_growth(),
    **{
        f"latency.{name}.p{at:g}": Goal(f"{title}: {at:g} % of answers within", "ms")
        for name, title in TITLES.items()
        for at in PERCENTILES
    },
}
