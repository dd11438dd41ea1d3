"""Where the time of a request goes: the cost of each step of the middleware, in microseconds and in instructions.

A step is the functions that are its own; what they call belongs to them unless it is another step's. Instructions are
counted. Times are taken at the doors of the steps, and what taking them costs is measured and subtracted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from statistics import median
from time import perf_counter_ns
from types import CodeType
from typing import Any
from unittest.mock import patch

from msgspec import Struct

from benchmarks.counting import Instructions
from benchmarks.figure import Figure, Sizes, summarize
from benchmarks.hot_path import HotPath, hot_path
from benchmarks.mounted import send_nowhere
from benchmarks.world import bare_app, receive_nothing, request_scope

STEPS: dict[str, tuple[str, ...]] = {
    "scope": ("gateway_auth.asgi.scope:ScopeReader.read",),
    "route": ("gateway_auth.core.routes:RouteTable.match",),
    "extract": ("gateway_auth.engine.pipeline:extract",),
    "cache": ("gateway_auth.engine.api_key:KeyVerifier.recall", "gateway_auth.engine.bearer:BearerVerifier.recall"),
    "decide": ("gateway_auth.engine.pipeline:Engine.begin",),
    "limits": (
        "gateway_auth.engine.pipeline:partitions_of",
        "gateway_auth.adapters.memory_limits:MemoryLimitStore.take_now",
    ),
    "child": ("gateway_auth.asgi.middleware:child_scope",),
    "outcome": ("gateway_auth.asgi.exchange:limit_headers",),
    "respond": ("gateway_auth.asgi.exchange:Exchange.send",),
}
"""By step: where its functions are looked up when they are called. What is in none of them is "pass"."""

REST = "pass"
BATCH = 25
"""Requests whose time is taken together: so short a while that on a busy machine most are not interrupted."""
CALIBRATIONS = 200
"""Empty calls that are timed together, as few as may be for the same reason."""


class Ledger:
    """Nanoseconds by step, each moment put down to the one step it was spent in, and how often steps were entered.

    `spent` still holds what the doors cost: `settled` does not.
    """

    def __init__(self, clock: Callable[[], int] = perf_counter_ns) -> None:
        self._clock = clock
        self.spent: Counter[str] = Counter()
        self.entered: Counter[str] = Counter()
        self.entered_from: Counter[str] = Counter()
        self._step = REST
        self._since = 0

    def start(self) -> None:
        """Begin with the rest."""
        self._step, self._since = REST, self._clock()

    def stop(self) -> None:
        """End in the rest."""
        self.spent[REST] += self._clock() - self._since

    def door(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, noting the time when it is entered and left."""

        clock = self._clock

        def timed(*given: Any, **named: Any) -> Any:
            now = clock()
            outer = self._step
            self.spent[outer] += now - self._since
            self.entered[step] += 1
            self.entered_from[outer] += 1
            self._step, self._since = step, clock()
            try:
                return function(*given, **named)
            finally:
                now = clock()
                self.spent[step] += now - self._since
                self._step, self._since = outer, clock()

        return timed

    def take(self) -> Passage:
        """What was noted, and begin anew."""
        taken = Passage(self.spent, self.entered, self.entered_from)
        self.spent, self.entered, self.entered_from = Counter(), Counter(), Counter()
        return taken


class Passage(Struct):
    """What a ledger noted of `BATCH` requests."""

    spent: Counter[str]
    entered: Counter[str]
    entered_from: Counter[str]

    def settled(self, inside: float, outside: float) -> dict[str, float]:
        """Microseconds per request, without what a door costs the step behind it and the step before it."""
        cost = {s: self.spent[s] - inside * self.entered[s] - outside * self.entered_from[s] for s in self.spent}
        return {step: spent / BATCH / 1e3 for step, spent in cost.items()}


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `steps`: an API key that is remembered, on the demanding route."""
    return asyncio.run(_run(sizes))


async def _run(sizes: Sizes) -> list[Figure]:
    inside, outside = _cost_of_a_door()
    instructions = await count_steps()
    rounds: list[dict[str, float]] = []
    ledger = Ledger()
    with _doors(ledger):
        async with hot_path() as path:
            await _batches(path, ledger, sizes.requests)
            for _ in range(sizes.rounds):
                batches = [each.settled(inside, outside) for each in await _batches(path, ledger, sizes.requests)]
                rounds.append({step: median(each.get(step, 0.0) for each in batches) for step in (*STEPS, REST)})
    bare = [await _bare(sizes.requests) for _ in range(sizes.rounds)]
    figures = []
    for step in (*STEPS, REST):
        costs = [each.get(step, 0.0) for each in rounds]
        if step == REST:
            costs = [cost - median(bare) for cost in costs]
        figures.append(summarize(f"steps.{step}", costs))
        figures.append(Figure(f"steps.{step}.instructions", instructions[step], "counted"))
    figures.append(summarize("steps.all", [sum(each.values()) - median(bare) for each in rounds]))
    figures.append(Figure("steps.all.instructions", sum(instructions.values()), "counted"))
    return figures


async def _batches(path: HotPath, ledger: Ledger, requests: int) -> list[Passage]:
    passages = []
    for _ in range(max(1, requests // BATCH // 2)):
        prepared = path.prepare("key", BATCH)
        ledger.start()
        for request in prepared:
            await request(send_nowhere)
        ledger.stop()
        passages.append(ledger.take())
    return passages


async def count_steps() -> dict[str, float]:
    """Bytecode instructions of one request by step, without those of the app behind."""
    requests = 40
    async with hot_path() as path:
        for request in path.prepare("key", requests):
            await request(send_nowhere)
        first, *prepared = path.prepare("key", requests + 1)
        with Instructions(dict(_codes())) as counted:
            await first(send_nowhere)
            counted.forget()
            for request in prepared:
                await request(send_nowhere)
    return {step: counted.by_step[step or ""] / requests for step in STEPS} | {REST: counted.by_step[""] / requests}


def _codes() -> Iterator[tuple[CodeType, str]]:
    for step, places in STEPS.items():
        for place in places:
            owner, name = _owner(place)
            yield getattr(owner, name).__code__, step
    yield bare_app.__code__, "app"
    yield send_nowhere.__code__, "app"


@contextmanager
def _doors(ledger: Ledger) -> Iterator[None]:
    """Every step's functions behind doors, for what is built meanwhile."""
    with ExitStack() as stack:
        for step, places in STEPS.items():
            for place in places:
                owner, name = _owner(place)
                stack.enter_context(patch.object(owner, name, ledger.door(step, getattr(owner, name))))
        yield


def _owner(place: str) -> tuple[Any, str]:
    """What holds the function, and its name there. Raises AttributeError for a place that is no more."""
    module, _, path = place.partition(":")
    *classes, name = path.split(".")
    owner: Any = import_module(module)
    for each in classes:
        owner = getattr(owner, each)
    getattr(owner, name)
    return owner, name


def _cost_of_a_door() -> tuple[float, float]:
    """Nanoseconds that a door adds to the step behind it, and to the one before it: around what does nothing."""

    def nothing(one: object, two: object) -> None:
        return None

    ledger = Ledger()
    door = ledger.door("behind", nothing)
    inside, before, calls, loops = [], [], [], []
    for _ in range(301):
        ledger.start()
        for _ in range(CALIBRATIONS):
            door(1, 2)
        ledger.stop()
        passage = ledger.take()
        inside.append(passage.spent["behind"])
        before.append(passage.spent[REST])
        started = perf_counter_ns()
        for _ in range(CALIBRATIONS):
            nothing(1, 2)
        calls.append(perf_counter_ns() - started)
        started = perf_counter_ns()
        for _ in range(CALIBRATIONS):
            pass
        loops.append(perf_counter_ns() - started)
    # The call itself stays with the step behind, where it is paid for without doors too; the loop is nobody's.
    call = (median(calls) - median(loops)) / CALIBRATIONS
    return median(inside) / CALIBRATIONS - call, (median(before) - median(loops)) / CALIBRATIONS


async def _bare(requests: int) -> float:
    """Microseconds of the app alone."""
    taken = []
    for _ in range(max(1, requests // BATCH // 2)):
        scopes = [request_scope((b"x-trace", b"1")) for _ in range(BATCH)]
        started = perf_counter_ns()
        for scope in scopes:
            await bare_app(scope, receive_nothing, send_nowhere)
        taken.append(perf_counter_ns() - started)
    return median(taken) / BATCH / 1e3
