"""A flood of random keys from ever new addresses, beside clients with good keys: what worker and Redis hold of it.

Run as `python -m tests.redis.soak KEYS`: so many keys nobody has, well-formed, from twice as many addresses. What fills
last is the brake, with 65,536 addresses, and windows, with those of two periods: the plateau begins at 70,000 keys.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import sys
import tempfile
import time
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from gateway_auth import GatewayAuth
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.asgi.types import Message, Receive, Scope, Send
from gateway_auth.core.keyformat import KEY_IDS, SECRETS, KeyFormat
from gateway_auth.lifecycle.apps import AppFields, ManageApps
from gateway_auth.lifecycle.key_fields import KeyFields
from tests.asgi.raw import http_scope, lifespan
from tests.asgi.world import ACTOR, Site, build_site
from tests.redis.gateways import ENCRYPTION_KEY
from tests.redis.server import running_server

GOOD_KEYS = 200
GOOD_AGAIN = 4
"""Requests of good keys for each bad one."""
AT_ONCE = 64
SAMPLES = 12
ROUTES: list[dict[str, Any]] = [
    {"id": "open", "path": "/open", "access": "public", "limits": [{"rate": "10/10 seconds", "by": "address"}]},
    {"id": "keys", "path": "/keys", "limits": [{"rate": "100000/second burst 1000000", "by": "key"}]},
]


@dataclass
class Sample:
    """What was held after so many bad keys. Memory in bytes; `blocks` are pieces of it that Python lent out."""

    keys: int
    worker: int
    blocks: int
    redis: int
    redis_keys: int


@dataclass
class Report:
    """What came of it. `good_misses` are good keys that had to be read.

    `lasting` are Redis keys without an expiry, `longest_seconds` is the longest expiry there is.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    good_misses: int = 0
    lasting: int = 0
    longest_seconds: float = 0.0
    remembered: int = 0
    seconds: float = 0.0


async def soak(site: Site, port: int, keys: int) -> Report:
    """The whole flood, through one middleware in this process and a real Redis."""
    good = await _good_keys(site)
    source = site.config(ROUTES)
    source["redis"] = {"url": f"redis://127.0.0.1:{port}/0", "key_prefix": "soak", "timeout_seconds": 2.0}
    source["secrets"]["encryption_key"] = f"env:{ENCRYPTION_KEY}"
    app = GatewayAuth(_nothing, config=source)
    report = Report()
    async with lifespan(app), _admin(port) as redis:
        began = time.monotonic()
        for number in range(SAMPLES):
            await _flood(app, good, report, range(keys * number // SAMPLES, keys * (number + 1) // SAMPLES))
            report.samples.append(await _sample(redis, keys * (number + 1) // SAMPLES))
        report.seconds = time.monotonic() - began
        readings = app.readings()
        report.good_misses = int(readings["gateway_auth_key_cache_misses_total", ()]) - keys
        report.remembered = int(readings["gateway_auth_key_cache_size", ()])
        lives = [life async for life in _lives(redis)]
        report.lasting, report.longest_seconds = lives.count(-1), max(lives) / 1000
    return report


async def _flood(app: GatewayAuth, good: list[str], report: Report, numbers: range) -> None:
    requests = _requests(good, numbers)

    async def ask() -> None:
        for kind, scope in requests:
            status = 0

            async def send(message: Message) -> None:
                nonlocal status
                status = message.get("status", status)

            await app(scope, _receive, send)
            report.statuses[kind, status] += 1

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))


def _requests(good: list[str], numbers: range) -> Iterator[tuple[str, Scope]]:
    """For each number a key nobody has, two addresses nobody came from before, and good keys between."""
    for number in numbers:
        key = KeyFormat().mint("live", random.randrange(KEY_IDS), random.randrange(SECRETS)).text
        first, second = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1", _ipv4(number)
        yield "bad", http_scope("GET", "/keys", [("x-api-key", key)], client=(first, 1))
        yield "open", http_scope("GET", "/open", [], client=(first, 1))
        yield "open", http_scope("GET", "/open", [], client=(second, 1))
        for again in range(GOOD_AGAIN):
            key = good[(number * GOOD_AGAIN + again) % len(good)]
            yield "good", http_scope("GET", "/keys", [("x-api-key", key)], client=("192.0.2.1", 1))


def _ipv4(number: int) -> str:
    return f"{11 + (number >> 24)}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


async def _good_keys(site: Site) -> list[str]:
    store = SqlStore(f"sqlite:///{site.directory}/gateway.db")
    try:
        app = await ManageApps(store, SystemClock(), SystemRandom()).create(ACTOR, AppFields(name="good"))
        manage = site.manage_keys(store)
        return [(await manage.create(ACTOR, app.id, "live", KeyFields())).text for _ in range(GOOD_KEYS)]
    finally:
        await store.close()


async def _sample(redis: Redis, keys: int) -> Sample:
    memory = await redis.info("memory")
    gc.collect()  # what waits for the collector is held by nobody
    return Sample(keys, _resident(), sys.getallocatedblocks(), int(memory["used_memory"]), int(await redis.dbsize()))


def _resident() -> int:
    """Bytes of memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def _lives(redis: Redis) -> AsyncIterator[int]:
    """The milliseconds left to each key; -1 for ever."""
    cursor = 0
    while True:
        cursor, names = await redis.scan(cursor, count=1000)
        pipeline = redis.pipeline(transaction=False)
        for name in names:
            pipeline.pttl(name)
        for left in await pipeline.execute():
            yield int(left)
        if not cursor:
            return


@asynccontextmanager
async def _admin(port: int) -> AsyncIterator[Redis]:
    client = Redis(port=port)
    try:
        yield client
    finally:
        await client.aclose()


async def _nothing(scope: Scope, _receive: Receive, send: Send) -> None:
    assert scope["type"] == "http", "no lifespan"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def main(keys: int) -> None:
    """Print what was held, and what was answered."""
    logging.disable()
    os.environ[ENCRYPTION_KEY] = b64encode(bytes(range(32))).decode()
    with tempfile.TemporaryDirectory() as folder, running_server() as port:
        report = asyncio.run(soak(build_site(Path(folder)), port, keys))
    print("keys       worker MB     blocks  redis MB  redis keys")  # noqa: T201 (its answer, here and below)
    for sample in report.samples:
        memory = f"{sample.worker / 1e6:9.1f} {sample.blocks:10,} {sample.redis / 1e6:9.1f}"
        print(f"{sample.keys:9,}  {memory}  {sample.redis_keys:,}")  # noqa: T201
    good = sum(count for (kind, _), count in report.statuses.items() if kind == "good")
    print(dict(report.statuses))  # noqa: T201
    print(f"{report.seconds:.0f} s; good keys read again {report.good_misses} of {good}", end="; ")  # noqa: T201
    print(f"remembered ids {report.remembered}; Redis keys without expiry {report.lasting}", end="; ")  # noqa: T201
    print(f"longest expiry {report.longest_seconds:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
