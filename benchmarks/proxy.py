"""The standalone proxy on one core, in front of a small upstream; told for information, there is no goal."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.figure import Figure, Sizes, summarize
from benchmarks.load import offer
from benchmarks.over_http import Round, measure, prepare
from benchmarks.servers import cores, serving
from benchmarks.world import PATH


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `proxy`."""
    core, load_core = cores()
    direct: list[Round] = []
    proxied: list[Round] = []
    with tempfile.TemporaryDirectory() as name, serving("upstream", "", load_core, {}) as upstream:
        headers, environment = prepare(Path(name), upstream=f"http://127.0.0.1:{upstream.port}")
        with serving("granian", "proxy", core, environment) as gateway:
            offer(gateway.port, PATH, headers, min(1.0, sizes.server_seconds), load_core)
            for _ in range(max(1, sizes.server_rounds // 2)):
                direct.append(measure(upstream, headers, sizes.server_seconds, load_core))
                proxied.append(measure(gateway, headers, sizes.server_seconds, load_core))
    where = "the upstream shares its core with the load"
    return [
        summarize("proxy.rate", [each.rate for each in proxied], lowest_is_best=False, note=where),
        summarize("proxy.upstream", [each.rate for each in direct], lowest_is_best=False),
        summarize("proxy.cpu", [each.cpu for each in proxied]),
    ]
