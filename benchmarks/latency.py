"""How long an answer takes at a rate that all can keep, by percentile: the app alone, ours, and others."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from benchmarks.asking import prepare
from benchmarks.beside import serving_all
from benchmarks.figure import Figure, Sizes, summarize
from benchmarks.latency_systems import PERCENTILES, RATE, TITLES
from benchmarks.pace import Pace, offer_steadily
from benchmarks.proxy import QUIET_MS
from benchmarks.redis_server import running_redis
from benchmarks.servers import cores
from benchmarks.systems import BARE, SYSTEMS
from benchmarks.world import PATH, REFERRER


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `latency`."""
    _, core = cores()
    paces: dict[str, list[Pace]] = {name: [] for name in TITLES}
    with tempfile.TemporaryDirectory() as folder, running_redis(core) as redis:
        asking = prepare(Path(folder), redis, replace(sizes, beside_keys=1, beside_tokens=1))
        headers = {"x-api-key": asking.key, "referer": REFERRER, "accept": "*/*"}
        systems = {name: BARE.get(name) or SYSTEMS[name] for name in TITLES}
        with serving_all(systems, asking) as servers:
            for number in range(sizes.latency_rounds + 1):
                for name, server in servers.items():
                    pace = offer_steadily(server.port, PATH, headers, RATE, sizes.latency_seconds, core)
                    paces[name] += [pace] if number else []  # the first one warmed it
    alone = median(pace.p99 for pace in paces["bare"])
    doubt = "" if alone <= QUIET_MS * 4 else "the machine was busy"
    return [
        replace(summarize(f"latency.{name}.p{at:g}", [pace.at[index] for pace in paces[name]]), doubt=doubt)
        for name in TITLES
        for index, at in enumerate(PERCENTILES)
    ]
