"""WebSocket upgrades: judged like any request, before anything is accepted.

Both servers carry the whole refusal as the answer to a handshake. The upstream here speaks no WebSocket, so behind a
proxy the good one reaches it and ends as 502. The edges are this file's own: a handshake has ended servers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conformance.edges import EDGES, Edge, fresh_address, serving
from tests.conformance.vectors import UNKNOWN_KEY, key_id
from tests.conformance.wire import Answer, ask, request
from tests.conformance.world import World

pytestmark = pytest.mark.slow

HANDSHAKE = [
    ("Connection", b"Upgrade"),
    ("Upgrade", b"websocket"),
    ("Sec-WebSocket-Version", b"13"),
    ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]


@pytest.fixture(scope="module")
def own_edges(main_world: World) -> Iterator[dict[str, Edge]]:
    """Every way in, started for this file."""
    with serving(main_world) as edges:
        yield edges


@pytest.fixture(params=EDGES)
def edge(request: pytest.FixtureRequest, own_edges: dict[str, Edge]) -> Edge:
    """One way in after the other."""
    return own_edges[request.param]


def shake(edge: Edge, target: str, key: str | None, *more: tuple[str, bytes]) -> Answer:
    """A handshake and what came of it."""
    edge.take_records()
    fields = [*HANDSHAKE, *more, *([("X-API-Key", key.encode())] if key else [])]
    return ask(edge.port, request("GET", target, fields), source=fresh_address())


def test_a_good_key_opens_a_route_that_takes_websockets(edge: Edge) -> None:
    answer = shake(edge, "/socket", edge.world.keys["KEY"], ("X-Auth-Subject", b"admin"))
    records = edge.take_records()
    assert answer.status == (502 if edge.is_proxy else 101)
    # Granian sends no header an app adds to its acceptance.
    assert bool(answer.value("x-request-id")) == (edge.name != "mounted-granian")
    (record,) = records
    assert record.values("x-auth-key-id") == [key_id(edge.world.keys["KEY"])]
    assert record.values("x-auth-subject") == ["client-1"]


@pytest.mark.parametrize(
    ("target", "key", "status", "code"),
    [
        ("/socket", None, 401, "credential_required"),
        ("/socket", "BADKEY", 401, "invalid_credential"),
        ("/socket", "REVOKED", 401, "credential_revoked"),
        ("/socket", "POOR", 403, "insufficient_scope"),
        ("/client", "KEY", 403, "request_not_allowed"),
        ("/not/routed", "KEY", 403, "no_matching_route"),
        ("/socket?k={KEY}", "KEY", 401, "credential_in_url"),
        ("/a/../socket", "KEY", 400, "malformed_request"),
    ],
)
def test_anything_else_opens_nothing(edge: Edge, target: str, key: str | None, status: int, code: str) -> None:
    keys = {**edge.world.keys, "BADKEY": UNKNOWN_KEY}
    answer = shake(edge, target.replace("{KEY}", keys["KEY"]), keys[key] if key else None)
    assert edge.take_records() == []
    assert b"panicked" not in edge.log()
    assert (answer.status, json.loads(answer.body)["code"]) == (status, code)
