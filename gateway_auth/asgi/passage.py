"""What an admitted request goes through: the scope of what runs behind, and what is left to do when that is done."""

from __future__ import annotations

from collections.abc import Sequence

from gateway_auth.asgi.exchange import Exchange
from gateway_auth.asgi.scope import TLS_SCHEMES
from gateway_auth.asgi.types import SCOPE_KEY, Header, Scope


def child_scope(exchange: Exchange) -> Scope:
    """The scope of what runs behind: its headers cleaned, our identity headers set, the principal in it."""
    allow, reading, gate, scope = exchange.decision, exchange.reading, exchange.gate, exchange.server_scope
    if allow.shadowed is not None:
        gate.recorder.record(allow, reading.facts, exchange.request_id, reading.client_request_id)
    principal = allow.principal
    kept = reading.kept
    if allow.policy.may_keep_credentials:
        kept = [*kept, *kept_credentials(exchange)]
    child = dict(scope)
    child["headers"] = [*kept, *principal.identity_headers, exchange.request_id_header]
    child["raw_path"] = reading.path.encode()
    if reading.facts.is_tls and scope.get("scheme") not in TLS_SCHEMES:
        # What a trusted proxy told, so that nobody behind tells or believes otherwise.
        child["scheme"] = "wss" if reading.facts.is_websocket else "https"
    child["user"] = principal
    child["auth"] = gate.credentials[principal]
    child[SCOPE_KEY] = exchange
    return child


async def settle(exchange: Exchange, failure: Exception | None) -> None:
    """End a request that failed or was refused inside the app: told as a refusal, the app's exception is none."""
    if exchange.denial is not None:
        reading = exchange.reading
        exchange.gate.recorder.record(exchange.denial, reading.facts, exchange.request_id, reading.client_request_id)
        if await exchange.settle():
            return
    if failure is not None:
        raise failure  # Only breaking the connection can still tell the client.


def kept_credentials(exchange: Exchange) -> Sequence[Header]:
    """The credential headers that go on: all where the route says so, on public routes those of schemes not ours."""
    if not exchange.decision.policy.may_keep_credentials:
        return ()
    gate = exchange.gate
    credentials = [pair for pair in exchange.server_scope["headers"] if gate.is_credential(pair[0])]
    if not exchange.decision.policy.strip_credentials:
        return credentials if exchange.reading.facts.preflight_method is None else []
    return [
        (name, value)
        for name, value in credentials
        if name.lower() == b"authorization" and not gate.may_hold_key(value)
    ]
