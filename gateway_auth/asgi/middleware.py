"""`GatewayAuth`: the middleware. It reads, asks the engine, and passes on or answers; it decides nothing itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway_auth.asgi.exchange import Exchange
from gateway_auth.asgi.passage import child_scope, settle
from gateway_auth.asgi.request_id import request_ids
from gateway_auth.asgi.respond import refuse_websocket, send_outcome
from gateway_auth.asgi.runtime import Runtime, run_lifespan
from gateway_auth.asgi.scope import Reading
from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send
from gateway_auth.asgi.watched import watched
from gateway_auth.core.condition import GONE, Condition
from gateway_auth.core.decision import Allow, Deny, Reason
from gateway_auth.core.measures import Readings
from gateway_auth.core.outcome import DEPENDENCY_RETRY_SECONDS, deny_outcome
from gateway_auth.errors import StoreUnavailable

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from gateway_auth.asgi.gate import Begun, Gate
    from gateway_auth.bootstrap.disclosure import Disclosure
    from gateway_auth.config import Configuration

_JUDGED = frozenset(("http", "websocket"))


class GatewayAuth:
    """Pure ASGI middleware around any ASGI app: every http and websocket request is judged, default deny.

    `config` is the path of a gateway.toml, a mapping with the same keys, or a loaded configuration. It is read when the
    lifespan starts (or with the first request, where the server sends none); a ConfigError then stops the start.
    """

    def __init__(
        self, app: ASGIApp, config: str | os.PathLike[str] | Mapping[str, object] | Configuration = "gateway.toml"
    ) -> None:
        self.app = app
        self._runtime = Runtime(config)
        self._gate: Gate | None = None
        self._next_id = request_ids()
        self._loop: AbstractEventLoop | None = None

    def condition(self) -> Condition:
        """Whether requests can be judged now, and what that is done without."""
        gateway = self._runtime.gateway
        return gateway.condition if gateway is not None else GONE

    def readings(self) -> Readings:
        """Its numbers (`core.measures`); none before it has started. Those that only grow stay after its end."""
        gateway = self._runtime.gateway
        if gateway is None:
            return {}
        from gateway_auth.bootstrap.measuring import measure

        return measure(gateway)

    def disclosure(self) -> Disclosure | None:
        """What takes reports of leaked secrets; nothing before it has started, or where nobody may report."""
        gateway = self._runtime.gateway
        return gateway.disclosure if gateway is not None and not gateway.is_closed else None

    def open_gate(self) -> Gate | None:
        """What requests of the running loop go through; None where it has to be waited for."""
        gate = self._gate
        return gate if gate is not None and self._loop is gate.running_loop() else None

    async def leave(self) -> None:
        """Others take over from here: webhooks are theirs to tell. Requests go on being judged until the end."""
        gateway = self._runtime.gateway
        if gateway is not None:
            await gateway.leave()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *, begun: Begun | None = None) -> None:
        """Judge and pass on. `begun` is how far somebody else (server.fast_path) has come with it at the gate."""
        if scope["type"] not in _JUDGED:
            await self._run_lifespan(scope, receive, send)
            return
        gate = self._gate
        if gate is None or self._loop is not gate.running_loop():
            gate = await self._open_gate(scope, send)
            if gate is None:
                return
        reading, begun_with = begun or gate.begin(scope)
        decision = begun_with if type(begun_with) is Allow else await gate.engine.resume(begun_with)
        if not isinstance(decision, Allow):
            await self._refuse(gate, scope, send, decision, reading)
            return
        if reading is None:
            raise AssertionError("what cannot be read is refused")
        gate.passed[decision.policy.id] += 1
        exchange = Exchange(decision, gate.next_id(), gate, reading, scope, send)
        receive = exchange.cap_body(receive, gate.max_body_bytes) if reading.facts.body_bytes is None else receive
        app = gate.guide if decision.policy.is_metadata else self.app
        app = watched(app, exchange) if reading.facts.is_websocket else app
        failure = None
        try:
            await app(child_scope(exchange), receive, exchange.send)
        except Exception as error:  # noqa: BLE001  # raised again, unless it is how a refusal inside the app ended
            failure = error
        finally:
            exchange.release()
        if failure is not None or exchange.denial is not None:
            await settle(exchange, failure)

    async def _run_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            kind = scope["type"]
            raise ValueError(f"gateway-auth cannot judge the ASGI scope type {kind!r} and lets nothing pass unjudged")
        # Whoever ran before on this loop is stopped by now: the next request asks the runtime.
        self._gate = None
        try:
            await run_lifespan(self.app, self._runtime, scope, receive, send)
        finally:
            self._gate = None

    async def _refuse(self, gate: Gate, scope: Scope, send: Send, denial: Deny, reading: Reading | None) -> None:
        request_id = gate.next_id()[1].decode("ascii")
        facts, client_request_id = (reading.facts, reading.client_request_id) if reading else (None, "")
        gate.recorder.record(denial, facts, request_id, client_request_id)
        outcome = deny_outcome(denial, gate.realm, request_id, gate.metadata_url(scope, reading))
        if denial.principal is not None and facts is not None:
            policy_id = denial.policy.id if denial.policy is not None else ""
            gate.usage.note(denial.principal.key_id, policy_id, outcome.status, facts.client)
        if scope["type"] == "websocket":
            await refuse_websocket(scope, send, outcome, denial.reason)
        else:
            await send_outcome(send, outcome)

    async def _open_gate(self, scope: Scope, send: Send) -> Gate | None:
        """The gate of the running loop; answers 503 itself, and gives None, while the store cannot be opened."""
        from gateway_auth.asgi.gate import Gate

        try:
            gate = Gate(await self._runtime.start())
        except StoreUnavailable:
            denial = Deny(Reason.DEPENDENCY_UNAVAILABLE, retry_after_seconds=DEPENDENCY_RETRY_SECONDS)
            outcome = deny_outcome(denial, "gateway", self._next_id()[1].decode("ascii"))
            if scope["type"] == "websocket":
                await refuse_websocket(scope, send, outcome, denial.reason)
            else:
                await send_outcome(send, outcome)
            return None
        self._gate, self._loop = gate, gate.running_loop()
        return gate
