"""A key revoked under a steady load on several workers: how long until none of them accepts it any more."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure, Sizes, percentile, show
from benchmarks.redis_server import running_redis
from benchmarks.server_apps import SITE
from benchmarks.servers import WORKERS, cores, serving
from benchmarks.shared_limits import with_redis
from benchmarks.world import ACTOR, PATH, REFERRER, Site, make_keys, make_site
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.bootstrap.sharing import tell_of_change
from gateway_auth.config import load
from gateway_auth.lifecycle.keys import ManageKeys

PER_SECOND = 1_000
CONNECTIONS = 40
WARM_SECONDS = 0.4
REFUSED_SECONDS = 0.4
"""Without one more accepted request: then all have heard."""
PATIENCE_SECONDS = 5.0


class Load:
    """Requests at a steady pace over many connections, all with one key at a time."""

    def __init__(self, port: int) -> None:
        self.accepted_at = 0.0
        self.answered = 0
        self.unavailable = 0
        """Answered with 503: a machine this busy could not even read the store in time."""
        self.request = b""
        self._port = port

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(CONNECTIONS):
                group.create_task(self._one(number))

    async def _one(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        pause = CONNECTIONS / PER_SECOND
        at = time.perf_counter() + pause * number / CONNECTIONS
        try:
            while True:
                at = max(at + pause, time.perf_counter() - pause)
                await asyncio.sleep(at - time.perf_counter())
                sent, request = time.perf_counter(), self.request
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
                self.answered += 1
                if head[9:12] == b"200" and request is self.request:
                    self.accepted_at = max(self.accepted_at, sent)
                elif head[9:12] == b"503":
                    self.unavailable += 1
                elif head[9:12] not in (b"200", b"401"):
                    raise AssertionError(f"neither accepted nor refused: {body!r}")
        finally:
            writer.close()


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `revoke`, on Granian with several workers, through the proxy."""
    _, load_core = cores()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_redis(load_core) as redis,
        serving("upstream", "", load_core, {}) as upstream,
    ):
        directory = Path(folder)
        site = asyncio.run(make_site(directory))
        gateway = {"realm": "orders", "upstream": f"http://127.0.0.1:{upstream.port}", "workers": WORKERS}
        config = with_redis(site.config, directory, redis, "revoke") | {"gateway": gateway}
        file = directory / "site.json"
        file.write_text(json.dumps(config), "utf-8")
        with serving("workers", "proxy", None, {SITE: str(file)}) as server:
            return asyncio.run(_measure(server.port, Site(config, site.key), sizes.revocations))


async def _measure(port: int, site: Site, rounds: int) -> list[Figure]:
    configuration = load(site.config)
    store, clock, random = SqlStore(configuration.store_url), SystemClock(), SystemRandom()
    manage = ManageKeys(store, clock, random, key_format=configuration.rules.key_format, peppers=configuration.peppers)
    load_on = Load(port)
    late: list[float] = []
    keys = await make_keys(store, configuration, rounds)
    load_on.request = _request(keys[0])
    began = time.perf_counter()
    task = asyncio.create_task(load_on.run())
    try:
        for key in keys:
            load_on.request = _request(key)
            await asyncio.sleep(WARM_SECONDS)
            await manage.revoke(ACTOR, configuration.rules.key_format.parse_key_id(key.encode()) or "")
            done = time.perf_counter()
            if configuration.redis is not None:
                await tell_of_change(configuration.redis)
            while time.perf_counter() < max(done, load_on.accepted_at) + REFUSED_SECONDS:
                if task.done():
                    task.result()  # raises what ended the load
                if time.perf_counter() > done + PATIENCE_SECONDS:
                    raise AssertionError("a revoked key is still accepted")
                await asyncio.sleep(0.01)
            late.append(max(0.0, load_on.accepted_at - done) * 1000)
        pace = load_on.answered / (time.perf_counter() - began)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()
    note = f"{rounds} rounds, {show(pace)} requests/s on {WORKERS} workers; median {show(median(late))} ms"
    note += f"; {load_on.unavailable} answered with 503" if load_on.unavailable else ""
    return [Figure("revoke.p99", percentile(late, 0.99), note), Figure("revoke.worst", max(late), note)]


def _request(key: str) -> bytes:
    lines = (f"GET {PATH} HTTP/1.1", "host: api.example.com", f"x-api-key: {key}", f"referer: {REFERRER}")
    return "\r\n".join((*lines, "", "")).encode()
