"""Limits counted in Redis, through a server: what is kept of the bare app, how often Redis is asked."""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct, field
from redis import Redis

from benchmarks.figure import Figure, Sizes, show, summarize
from benchmarks.load import CONNECTIONS, offer
from benchmarks.over_http import WARM_SECONDS, Round, measure
from benchmarks.redis_server import running_redis
from benchmarks.server_apps import SITE
from benchmarks.servers import Server, cores, serving
from benchmarks.world import PATH, REFERRER, make_site

MANY = 512
APPS = {
    "bare": ("uvicorn", "bare"),
    "exact": ("uvicorn", "guarded"),
    "leased": ("uvicorn", "guarded"),
    "single": ("uvicorn", "single"),
    "own exact": ("http1", "guarded"),
    "own leased": ("http1", "guarded"),
}
"""The command and the factory of each server; the leased ones are the exact ones with another configuration."""
AT_MANY = {"bare": "many bare", "exact": "many exact", "own exact": "many own"}
"""Which of them are also asked over so many connections, and what those rounds are called."""


class Series(Struct):
    """Rounds of one server, and how often it called Redis in them."""

    rounds: list[Round] = field(default_factory=list)
    calls: int = 0
    requests: float = 0.0


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `shared`: key, scopes, role, networks, referrer, and two limits counted in Redis.

    On uvicorn, by its own protocol and by ours; the bare app is on its own.
    """
    core, load_core = cores()
    found = {name: Series() for name in (*APPS, *AT_MANY.values())}
    with tempfile.TemporaryDirectory() as folder, running_redis(load_core) as port:
        headers, sites = _prepare(Path(folder), port)
        with _all(core, sites) as servers:
            for server in servers.values():
                offer(server.port, PATH, headers, min(WARM_SECONDS, sizes.server_seconds), load_core)
            for _ in range(sizes.server_rounds):
                for name, server in servers.items():
                    _add(found[name], port, server, headers, sizes.server_seconds, load_core)
                for name, many in AT_MANY.items():
                    _add(found[many], port, servers[name], headers, sizes.server_seconds, load_core, MANY)
    return _figures(found)


def _add(
    series: Series, port: int, server: Server, headers: Mapping[str, str], seconds: float, core: int | None,
    connections: int = CONNECTIONS,
) -> None:  # fmt: skip
    before = _script_calls(port)
    series.rounds.append(measure(server, headers, seconds, core, connections, is_awake=True))
    series.calls += _script_calls(port) - before
    series.requests += series.rounds[-1].rate * seconds


def _figures(found: Mapping[str, Series]) -> list[Figure]:
    bare, exact = found["bare"].rounds, found["exact"].rounds
    note = f"{CONNECTIONS} connections; Redis shares the load's core; server CPU {show(_cpu(exact))} µs"
    many = found["many exact"].rounds
    return [
        summarize("shared.share", _shares(exact, bare), lowest_is_best=False, note=note),
        summarize("shared.cpu_share", _cpu_shares(exact, bare), lowest_is_best=False),
        _calls("shared.calls", found["exact"]),
        summarize("shared.many", _shares(many, exact), lowest_is_best=False, note=f"server CPU {show(_cpu(many))} µs"),
        summarize("shared.many_bare", _shares(found["many bare"].rounds, bare), lowest_is_best=False),
        summarize("shared.many_share", _shares(many, found["many bare"].rounds), lowest_is_best=False),
        summarize(
            "shared.own_many_share", _shares(found["many own"].rounds, found["many bare"].rounds), lowest_is_best=False
        ),
        summarize("shared.leased_share", _shares(found["leased"].rounds, bare), lowest_is_best=False),
        summarize("shared.leased_cpu_share", _cpu_shares(found["leased"].rounds, bare), lowest_is_best=False),
        _calls("shared.leased_calls", found["leased"]),
        summarize("shared.own_share", _shares(found["own exact"].rounds, bare), lowest_is_best=False),
        summarize("shared.own_cpu_share", _cpu_shares(found["own exact"].rounds, bare), lowest_is_best=False),
        summarize("shared.own_leased_share", _shares(found["own leased"].rounds, bare), lowest_is_best=False),
        summarize("shared.own_leased_cpu_share", _cpu_shares(found["own leased"].rounds, bare), lowest_is_best=False),
        summarize(
            "shared.single_share", _shares(found["single"].rounds, bare), lowest_is_best=False,
            note=f"server CPU {show(_cpu(found['single'].rounds))} µs",
        ),
    ]  # fmt: skip


def _shares(ours: list[Round], bare: list[Round]) -> list[float]:
    return [one.rate / other.rate * 100 for one, other in zip(ours, bare, strict=True)]


def _cpu_shares(ours: list[Round], bare: list[Round]) -> list[float]:
    return [other.cpu / one.cpu * 100 if one.cpu else 0.0 for one, other in zip(ours, bare, strict=True)]


def _cpu(rounds: list[Round]) -> float:
    return median(each.cpu for each in rounds)


def _calls(name: str, series: Series) -> Figure:
    spread = f"{series.calls:,} calls for about {series.requests:,.0f} requests with two limits"
    return Figure(name, series.calls / series.requests, spread)


def _prepare(directory: Path, port: int) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The headers of requests, and for each server the environment it finds its configuration by."""
    site = asyncio.run(make_site(directory))
    sites = {}
    for name in APPS:
        config = with_redis(site.config, directory, port, name.replace(" ", "_"))
        file = directory / f"{name}.json"
        file.write_text(json.dumps(leased(config) if "leased" in name else config), "utf-8")
        sites[name] = {SITE: str(file)}
    return {"x-api-key": site.key, "referer": REFERRER, "accept": "*/*"}, sites


def with_redis(config: dict[str, Any], directory: Path, port: int, prefix: str) -> dict[str, Any]:
    """A configuration with Redis, and a key to seal with."""
    key = directory / "encryption_key"
    key.touch(mode=0o600)
    key.write_bytes(base64.b64encode(bytes(range(32))))
    secrets = {"pepper": f"file:{directory}/pepper", "encryption_key": f"file:{key}"}
    redis = {"url": f"redis://127.0.0.1:{port}/0", "timeout_seconds": 0.5, "key_prefix": prefix}
    return config | {"redis": redis, "secrets": secrets}


def leased(config: dict[str, Any]) -> dict[str, Any]:
    """The same with every limit leased."""
    routes = [
        {**route, "limits": [{**limit, "mode": "leased"} for limit in route.get("limits", ())]}
        for route in config["routes"]
    ]
    return {**config, "routes": routes}


@contextmanager
def _all(core: int | None, sites: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, Server]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving(*app, core, sites[name])) for name, app in APPS.items()}


def _script_calls(port: int) -> int:
    """How often Redis has run a script."""
    with Redis(port=port) as admin:
        statistics = admin.info("commandstats")
    return sum(int(each["calls"]) for name, each in statistics.items() if name in ("cmdstat_evalsha", "cmdstat_eval"))
