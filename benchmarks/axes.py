"""Along what the cost of a request is measured: the points of each axis and what is told at them. Measures nothing."""

from __future__ import annotations

from msgspec import Struct


class Axis(Struct, frozen=True):
    """`at` are its points; `lines` what is told at each, by name, in `unit`."""

    title: str
    at: tuple[int, ...]
    lines: dict[str, str]
    unit: str


_SERVER = {"bare": "app alone", "guarded": "with the middleware"}

AXES: dict[str, Axis] = {
    "routes": Axis(
        "Routes", (10, 100, 1_000, 10_000), {"one": "always the same one", "spread": "spread over all"}, "µs"
    ),
    "keys": Axis("Keys in use", (10, 1_000, 10_000, 100_000, 1_000_000), {"spread": "spread over all"}, "µs"),
    "limits": Axis("Limits of the route", (0, 1, 2, 3, 5), {"in_process": "counted in the process"}, "µs"),
    "connections": Axis("Connections", (1, 32, 256, 1_024), _SERVER, "µs"),
    "workers": Axis("Workers", (1, 2), _SERVER, "µs"),
    "body": Axis("Bytes of the body", (100, 1_000_000), _SERVER, "µs"),
    "nodes": Axis(
        "Nodes on one Redis", (1, 2, 4),
        {"gateway": "CPU of a node per request", "redis": "CPU of Redis per request"}, "µs",
    ),
}  # fmt: skip
"""CPU microseconds per request, of the server or of the process."""
