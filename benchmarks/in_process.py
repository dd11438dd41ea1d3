"""What the middleware adds to an app in the same process, without a server: microseconds and memory.

The key is cached. Every request has its own scope, made outside the measured time, with a path of its own.
"""

from __future__ import annotations

import asyncio
import gc
import hmac
import time
import tracemalloc
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Scope

from benchmarks.measure import Measure, Scale, Spread, chunks, per_call, progress, resident_bytes
from benchmarks.steps import measure_steps
from benchmarks.world import World, bare_app, no_body, request_scopes, world
from gateway_auth import GatewayAuth

BATCH = 1000


class _Counts(NamedTuple):
    rounds: int
    growth_requests: int


_COUNTS = {"tiny": _Counts(2, 200), "quick": _Counts(40, 50_000), "full": _Counts(120, 200_000)}


def run(scale: Scale) -> list[Measure]:
    """Added time, its parts, and what stays in memory."""
    with world() as site:
        return asyncio.run(_run(site, _COUNTS[scale], BATCH if scale != "tiny" else 50))


async def _run(site: World, counts: _Counts, batch: int) -> list[Measure]:
    gated = GatewayAuth(bare_app, config=site.config)
    answer = await _first_answer(gated, site.key)
    if answer["status"] != 200:
        raise RuntimeError(f"the measured request is refused with {answer['status']}")
    progress(f"in process: {counts.rounds} rounds of {batch} requests")
    bare: list[float] = []
    added: list[float] = []
    digests: list[float] = []
    for _ in range(counts.rounds):
        scopes = request_scopes(batch, site.key)
        bare.append(await _microseconds(bare_app, scopes))
        added.append(await _microseconds(gated, scopes) - bare[-1])
        digests.append(per_call(_one_digest, batch))
        await asyncio.sleep(0.001)  # the gateway reads its change log in between, as under a server
    spread, digest = Spread.of(added), Spread.of(digests)
    return [
        Measure("added per request, median", spread.median, "µs", goal="in-process.added"),
        Measure("added per request, best round", spread.best, "µs"),
        Measure("the bare app itself", Spread.of(bare).median, "µs"),
        Measure("one HMAC-SHA-256 of 60 bytes here", digest.median, "µs", note="compare machines by this"),
        Measure("added, in such HMACs", spread.median / digest.median, "×"),
        *await measure_steps(gated, site.key, batch, max(3, counts.rounds // 4)),
        *await _growth(gated, site.key, counts.growth_requests),
    ]


async def _first_answer(app: ASGIApp, key: str) -> Message:
    answers: list[Message] = []

    async def send(message: Message) -> None:
        answers.append(message)

    await app(request_scopes(1, key)[0], no_body, send)
    return answers[0]


async def _microseconds(app: ASGIApp, scopes: list[Scope]) -> float:
    """Processor time per request. The scopes are copied: a server hands over each only once."""
    copies = [dict(scope) for scope in scopes]
    started = time.process_time_ns()
    for scope in copies:
        await app(scope, no_body, _drop)
    return (time.process_time_ns() - started) / len(copies) / 1000


async def _drop(message: Message) -> None:
    """`send` into nothing."""


def _one_digest() -> bytes:
    return hmac.digest(b"k" * 32, b"m" * 60, "sha256")


async def _growth(app: ASGIApp, key: str, requests: int) -> list[Measure]:
    """What stays behind: resident memory over many requests, then every allocation over fewer."""
    progress(f"in process: memory over {requests:,} requests")
    await _serve(app, key, requests // 4)
    gc.collect()
    before = resident_bytes()
    await _serve(app, key, requests)
    gc.collect()
    grown = resident_bytes() - before
    traced = requests // 20
    tracemalloc.start()
    await _serve(app, key, traced)
    gc.collect()
    first = tracemalloc.get_traced_memory()[0]
    await _serve(app, key, traced)
    gc.collect()
    per_request = (tracemalloc.get_traced_memory()[0] - first) / traced
    tracemalloc.stop()
    return [
        Measure(f"resident memory grown over {requests:,} requests", grown / 1024, "KiB"),
        Measure("still allocated afterwards, per request", max(per_request, 0.0), "bytes", goal="in-process.growth"),
    ]


async def _serve(app: ASGIApp, key: str, requests: int) -> None:
    for size in chunks(requests, BATCH):
        for scope in request_scopes(size, key):
            await app(scope, no_body, _drop)
        await asyncio.sleep(0)
