"""What the middleware adds to an ASGI app, called directly: no server, no socket, CPU time of this process."""

from __future__ import annotations

import asyncio
import gc
import hmac
import time
import tracemalloc
from statistics import median

from benchmarks.figure import Figure, Sizes, show, summarize
from benchmarks.mounted import mount, opened, send_nowhere
from benchmarks.world import api_key, bare_app, receive_nothing, request_scope
from gateway_auth.asgi.scope import Reading, ScopeReader
from gateway_auth.asgi.types import ASGIApp, Header, Message, Scope
from gateway_auth.bootstrap import Gateway

BATCH = 250
"""Requests prepared at a time: enough to time, few enough to stay in the processor's cache, where a server has them."""

TURN_SECONDS = 0.002
"""What the loop gets between rounds, so that the change log is followed as in a server."""


class Bench:
    """A middleware over stores in memory, and the app it stands in front of."""

    def __init__(self, gateway: Gateway, credential: Header) -> None:
        self.gateway = gateway
        self.credential = credential
        self.read = ScopeReader(gateway.engine.rules).read
        self.guarded = mount(gateway)

    async def round(self, app: ASGIApp, requests: int) -> float:
        """CPU microseconds per request."""
        spent = 0.0
        for _ in range(requests // BATCH):
            scopes = self.scopes()
            started = time.process_time()
            for scope in scopes:
                await app(scope, receive_nothing, send_nowhere)
            spent += time.process_time() - started
        await asyncio.sleep(TURN_SECONDS)
        return spent / (requests // BATCH * BATCH) * 1e6

    def scopes(self) -> list[Scope]:
        """The next requests."""
        return [request_scope(self.credential) for _ in range(BATCH)]

    def steps(self, batches: int) -> tuple[float, float]:
        """CPU microseconds per request of reading, and of deciding."""
        reading = deciding = 0.0
        for _ in range(batches):
            scopes = self.scopes()
            started = time.process_time()
            for scope in scopes:
                self.read(scope)
            reading += time.process_time() - started
            facts = [read.facts for scope in scopes if isinstance(read := self.read(scope), Reading)]
            started = time.process_time()
            for fact in facts:
                self.gateway.engine.begin(fact)
            deciding += time.process_time() - started
        return reading / batches / BATCH * 1e6, deciding / batches / BATCH * 1e6

    async def refuse_refusals(self) -> None:
        """Raises AssertionError unless every request so far was admitted and the next one is."""
        statuses: list[int] = []

        async def send(message: Message) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        await self.guarded(request_scope(self.credential), receive_nothing, send)
        if statuses != [200] or self.gateway.recorder.refused:
            raise AssertionError(f"measured refusals: {statuses}, {dict(self.gateway.recorder.refused)}")


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `in_process`."""
    return asyncio.run(_run(sizes))


async def _run(sizes: Sizes) -> list[Figure]:
    async with opened() as (gateway, key):
        bench = Bench(gateway, api_key(key))
        await bench.round(bench.guarded, BATCH * 4)
        figures = await _measure(bench, sizes)
        figures.append(await _growth(bench, sizes.memory_requests))
        await bench.refuse_refusals()
    return figures


async def _measure(bench: Bench, sizes: Sizes) -> list[Figure]:
    bare, guarded, calibration, reading, deciding = [], [], [], [], []
    for _ in range(sizes.rounds):
        bare.append(await bench.round(bare_app, sizes.requests))
        guarded.append(await bench.round(bench.guarded, sizes.requests))
        calibration.append(_calibrate(sizes.requests))
        read, decided = bench.steps(max(1, sizes.requests // BATCH // 4))
        reading.append(read)
        deciding.append(decided)
    added = [with_it - without for with_it, without in zip(guarded, bare, strict=True)]
    ratios = [cost / unit for cost, unit in zip(added, calibration, strict=True)]
    answering = median(added) - median(reading) - median(deciding)
    least = min(guarded) - min(bare)
    note = f"best with less best without {show(least)}; bare app {show(median(bare))}; {sizes.rounds} rounds"
    return [
        summarize("in_process.added", added, note=note),
        summarize("in_process.ratio", ratios),
        summarize("in_process.calibration", calibration),
        summarize("in_process.read", reading),
        summarize("in_process.decide", deciding),
        Figure("in_process.answer", answering, "the rest"),
    ]


def _calibrate(times: int) -> float:
    """CPU microseconds of the digest that verifying a key costs."""
    digest, secret, text = hmac.digest, b"k" * 32, b"m" * 60
    started = time.process_time()
    for _ in range(times):
        digest(secret, text, "sha256")
    return (time.process_time() - started) / times * 1e6


async def _growth(bench: Bench, requests: int) -> Figure:
    """What is held after the second half of the requests and was not after the first, in KiB."""
    tracemalloc.start()
    try:
        held = []
        for _ in range(2):
            for _ in range(max(1, requests // 2 // BATCH // 8)):
                await bench.round(bench.guarded, BATCH * 8)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return Figure(
        "in_process.growth", (held[1] - held[0]) / 1024, f"between request {requests // 2:,} and {requests:,}"
    )
