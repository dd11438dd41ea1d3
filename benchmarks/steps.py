"""The same request taken apart: what each step of the middleware costs when it is called by itself.

It reaches into the running middleware on purpose. A step called alone finds warm caches, so the steps add up to less
than the whole; they tell where to look, not what is saved.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.types import Message

from benchmarks.measure import Measure, Spread
from benchmarks.world import BODY, request_scopes
from gateway_auth import GatewayAuth
from gateway_auth.asgi import middleware
from gateway_auth.asgi.exchange import Exchange
from gateway_auth.asgi.gate import Gate
from gateway_auth.core import decide
from gateway_auth.core.decision import Allow
from gateway_auth.core.headers import API_KEY

Items = Sequence[Any]
Steps = dict[str, tuple[Callable[[Any], object], Items]]
"""By name: one call for one request, and what it is called with."""


async def measure_steps(app: GatewayAuth, key: str, batch: int, rounds: int) -> list[Measure]:
    """Microseconds of each step. `app` has served a request before."""
    gate = app._gate
    if gate is None:
        raise RuntimeError("the middleware has not started")
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, (step, items) in _prepare(gate, key, batch).items():
            found.setdefault(name, []).append(_time(step, items))
        await asyncio.sleep(0.001)
    return [Measure(f"– {name}", Spread.of(values).median, "µs") for name, values in found.items()]


def _prepare(gate: Gate, key: str, batch: int) -> Steps:
    engine = gate.engine
    match, recall = engine.rules.routes.match, engine._keys.recall
    scopes: Items = request_scopes(batch, key)
    readings: Items = [gate.reader.read(scope) for scope in scopes]
    facts: Items = [reading.facts for reading in readings]
    verdicts: Items = [engine.begin(fact) for fact in facts]
    verdict = verdicts[0]
    if not isinstance(verdict, Allow):
        raise TypeError("the measured request is not admitted at once")
    policy, principal = verdict.policy, verdict.principal
    exchanges: Items = [_exchange(gate, verdict) for verdict in verdicts]
    return {
        "reading the scope": (gate.reader.read, request_scopes(batch, key)),
        "the decision": (engine.begin, facts),
        "  of it: route": (lambda fact: match(fact.method, fact.path), facts),
        "  of it: networks": (lambda fact: decide.before_verify(policy, fact), facts),
        "  of it: credential": (lambda fact: recall(fact.headers[API_KEY]), facts),
        "  of it: referrer, scopes, role": (lambda fact: decide.authorization(policy, principal, fact), facts),
        "  of it: two limits": (lambda fact: engine._charge(policy, fact, principal, policy.limits), facts),
        "the scope for the app": (
            lambda both: middleware._child_scope(gate, *both),
            list(zip(scopes, exchanges, readings, strict=True)),
        ),
        "the answer on its way back": (_answer, exchanges),
    }


def _exchange(gate: Gate, verdict: Allow) -> Exchange:
    request_id = gate.next_id()
    return Exchange(verdict, request_id, (b"x-request-id", request_id.encode()), None, gate.realm, _send)


async def _send(message: Message) -> None:
    """`send` into nothing."""


def _answer(exchange: Exchange) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"11")]
    _finish(exchange.send({"type": "http.response.start", "status": 200, "headers": headers}))
    _finish(exchange.send({"type": "http.response.body", "body": BODY}))


def _finish(sending: Awaitable[None]) -> None:
    # Nothing in it waits: one step runs it to its end, without an event loop around it.
    iterator = sending.__await__()
    if next(iterator, None) is not None:
        raise RuntimeError("sending waited")


def _time(step: Callable[[Any], object], items: Items) -> float:
    """Microseconds of processor time per item."""
    started = time.process_time_ns()
    for item in items:
        step(item)
    return (time.process_time_ns() - started) / len(items) / 1000
