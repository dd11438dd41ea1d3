"""Exact limits counted in Redis, through a server: what is kept of the bare app, and how often Redis is asked."""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from redis import Redis

from benchmarks.figure import Figure, Sizes, show, summarize
from benchmarks.load import CONNECTIONS, offer
from benchmarks.over_http import WARM_SECONDS, Round, measure
from benchmarks.redis_server import running_redis
from benchmarks.server_apps import SITE
from benchmarks.servers import Server, cores, serving
from benchmarks.world import PATH, REFERRER, make_site


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `shared`, on uvicorn: key, scopes, role, networks, referrer, and two limits counted in Redis."""
    core, load_core = cores()
    bare: list[Round] = []
    guarded: list[Round] = []
    with tempfile.TemporaryDirectory() as name, running_redis(load_core) as port:
        headers, environment = _prepare(Path(name), port)
        with _two(core, environment) as (without, with_it):
            for server in (without, with_it):
                offer(server.port, PATH, headers, min(WARM_SECONDS, sizes.server_seconds), load_core)
            calls, requests = 0, 0.0
            for _ in range(sizes.server_rounds):
                bare.append(measure(without, headers, sizes.server_seconds, load_core))
                before = _script_calls(port)
                guarded.append(measure(with_it, headers, sizes.server_seconds, load_core))
                calls += _script_calls(port) - before
                requests += guarded[-1].rate * sizes.server_seconds
    shares = [ours.rate / theirs.rate * 100 for ours, theirs in zip(guarded, bare, strict=True)]
    cpu_shares = [theirs.cpu / ours.cpu * 100 if ours.cpu else 0.0 for ours, theirs in zip(guarded, bare, strict=True)]
    note = (
        f"{CONNECTIONS} connections; Redis shares the load's core; server CPU {show(median(r.cpu for r in guarded))} µs"
    )
    return [
        summarize("shared.share", shares, lowest_is_best=False, note=note),
        summarize("shared.cpu_share", cpu_shares, lowest_is_best=False),
        Figure("shared.calls", calls / requests, f"{calls:,} calls for about {requests:,.0f} requests with two limits"),
    ]


def _prepare(directory: Path, port: int) -> tuple[dict[str, str], dict[str, str]]:
    site = asyncio.run(make_site(directory))
    key = directory / "encryption_key"
    key.touch(mode=0o600)
    key.write_bytes(base64.b64encode(bytes(range(32))))
    secrets = {"pepper": f"file:{directory}/pepper", "encryption_key": f"file:{key}"}
    shared = {"redis": {"url": f"redis://127.0.0.1:{port}/0", "timeout_seconds": 0.5}, "secrets": secrets}
    file = directory / "site.json"
    file.write_text(json.dumps(site.config | shared), "utf-8")
    return {"x-api-key": site.key, "referer": REFERRER, "accept": "*/*"}, {SITE: str(file)}


@contextmanager
def _two(core: int | None, environment: dict[str, str]) -> Iterator[tuple[Server, Server]]:
    """The bare app and the guarded one."""
    with (
        serving("uvicorn", "bare", core, environment) as without,
        serving("uvicorn", "guarded", core, environment) as with_it,
    ):
        yield without, with_it


def _script_calls(port: int) -> int:
    """How often Redis has run a script."""
    with Redis(port=port) as admin:
        statistics = admin.info("commandstats")
    return sum(int(each["calls"]) for name, each in statistics.items() if name in ("cmdstat_evalsha", "cmdstat_eval"))
