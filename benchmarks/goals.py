"""Every figure there is and what it should be: the only place where goals stand. It measures nothing."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


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


GOALS: dict[str, Goal] = {
    "in_process.added": Goal("Middleware, cached key: CPU added per request", "µs", "at most", 8.0),
    "in_process.ratio": Goal("… as a multiple of one HMAC-SHA-256 of 60 bytes", "×"),
    "in_process.calibration": Goal("One HMAC-SHA-256 of 60 bytes on this machine", "µs"),
    "in_process.read": Goal("Step: reading the request", "µs"),
    "in_process.decide": Goal("Step: deciding", "µs"),
    "in_process.answer": Goal("Step: passing on and answering", "µs"),
    "in_process.growth": Goal("Memory held after more requests of the same kind", "KiB", "at most", 64.0),
    "http.uvicorn.share": Goal("uvicorn, Starlette JSON app: requests/s kept", "%", "at least", 80.0),
    "http.uvicorn.cpu_share": Goal("… the same, reckoned from server CPU time per request", "%", "at least", 80.0),
    "http.uvicorn.bare": Goal("uvicorn without the middleware", "requests/s"),
    "http.uvicorn.cpu": Goal("uvicorn: server CPU added per request", "µs"),
    "http.granian.share": Goal("Granian, Starlette JSON app: requests/s kept", "%", "at least", 80.0),
    "http.granian.cpu_share": Goal("… the same, reckoned from server CPU time per request", "%", "at least", 80.0),
    "http.granian.bare": Goal("Granian without the middleware", "requests/s"),
    "http.granian.cpu": Goal("Granian: server CPU added per request", "µs"),
    "proxy.rate": Goal("Standalone proxy on one core", "requests/s"),
    "proxy.upstream": Goal("Its upstream asked directly", "requests/s"),
    "proxy.cpu": Goal("Standalone proxy: server CPU per request", "µs"),
    "routes.match": Goal("Finding the route, smallest table", "µs"),
    "routes.medium": Goal("Same requests, middle table, compared with it", "×", "at most", 1.2),
    "routes.large": Goal("Same requests, largest table, compared with it", "×", "at most", 1.2),
    "routes.cold": Goal("Requests spread evenly over the largest table", "×"),
    "keys.p50": Goal("Key not in memory: median", "ms"),
    "keys.p99": Goal("Key not in memory: 99th percentile", "ms", "at most", 2.0),
    "keys.growth": Goal("Memory added by keys beyond a full cache", "MB", "at most", 30.0),
    "imports.inside": Goal("Import and construct the middleware", "ms", "at most", 80.0),
    "imports.process": Goal("… as a whole process, over an empty one", "ms"),
    "imports.heavy": Goal("Heavy packages loaded by that", "packages", "at most", 0.0),
}
