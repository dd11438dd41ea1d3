"""How the cost of a request grows along `axes`, in process: CPU microseconds of the middleware and its app."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from itertools import count as endlessly
from pathlib import Path

from benchmarks import growth_servers, keys
from benchmarks.axes import AXES
from benchmarks.figure import Figure, Sizes, summarize
from benchmarks.growth_servers import Costs
from benchmarks.mounted import mount, opened, send_nowhere
from benchmarks.world import DEMANDING, api_key, bare_app, make_site, receive_nothing, request_scope
from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.asgi.types import Scope
from gateway_auth.engine.principal_cache import MAX_KEYS

BATCH = 250


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `growth`."""
    costs: Costs = {}
    asyncio.run(_in_process(costs, sizes))
    growth_servers.measure(costs, sizes)
    return [
        summarize(f"growth.{axis}.{at}.{line}", costs[axis, at, line])
        for axis in AXES
        for at in AXES[axis].at
        for line in AXES[axis].lines
        if (axis, at, line) in costs
    ]


async def _in_process(costs: Costs, sizes: Sizes) -> None:
    for count in AXES["routes"].at:
        await _routes(costs, count, sizes)
    for count in AXES["limits"].at:
        limits = [{"id": f"l{number}", "rate": "100000000/minute", "by": "key"} for number in range(count)]
        async with opened({"routes": [{**DEMANDING, "limits": limits}]}) as (gateway, key):
            scopes = (request_scope(api_key(key)) for _ in endlessly())
            costs["limits", count, "in_process"] = await _rounds(mount(gateway), scopes, sizes)
    with tempfile.TemporaryDirectory() as name:
        await _keys(costs, Path(name), sizes)


async def _routes(costs: Costs, count: int, sizes: Sizes) -> None:
    templates = [f"/v1/team{number // 5}/r{number % 5}/{{id}}" for number in range(count)]
    routes = [{"id": f"r{number}", "path": path} for number, path in enumerate(templates)]
    chance = random.Random(1)
    async with opened({"routes": routes}) as (gateway, key):
        guarded = mount(gateway)
        for line, of in (("one", 1), ("spread", count)):
            paths = (templates[chance.randrange(of)].replace("{id}", "42") for _ in endlessly())
            scopes = (request_scope(api_key(key), path) for path in paths)
            costs["routes", count, line] = await _rounds(guarded, scopes, sizes)


async def _keys(costs: Costs, directory: Path, sizes: Sizes) -> None:
    """Keys of one store, asked for evenly: beyond what fits in memory most have to be read."""
    site = await make_site(directory)
    keys.fill(directory / "gateway.db", site, max(AXES["keys"].at[: sizes.growth_key_points]))
    chance = random.Random(1)
    guarded = GatewayAuth(bare_app, config={**site.config, "routes": [{"id": "any", "path": "/v1/orders/{id}"}]})
    for count in AXES["keys"].at[: sizes.growth_key_points]:
        for number in range(1, min(count, MAX_KEYS) + 1):  # what fits in memory is there
            await guarded(request_scope(api_key(keys.mint(number).text)), receive_nothing, send_nowhere)
        texts = (keys.mint(chance.randrange(1, count + 1)).text for _ in endlessly())
        scopes = (request_scope(api_key(text)) for text in texts)
        costs["keys", count, "spread"] = await _rounds(guarded, scopes, sizes)
    await guarded._runtime.stop()


async def _rounds(guarded: GatewayAuth, scopes: Iterator[Scope], sizes: Sizes) -> list[float]:
    """CPU microseconds per request, of this process: reading a key from SQLite is done by a thread of it."""
    await _put(guarded, scopes, BATCH * 4)
    return [await _put(guarded, scopes, sizes.growth_requests) for _ in range(sizes.growth_rounds)]


async def _put(guarded: GatewayAuth, scopes: Iterator[Scope], requests: int) -> float:
    spent, put = 0.0, 0
    while put < requests:
        batch = [next(scopes) for _ in range(BATCH)]
        started = time.process_time()
        for scope in batch:
            await guarded(scope, receive_nothing, send_nowhere)
        spent += time.process_time() - started
        put += BATCH
        await asyncio.sleep(0)
    return spent / put * 1e6
