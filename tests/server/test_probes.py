"""What probes of the standalone gateway are answered."""

from __future__ import annotations

import pytest

from gateway_auth.core.condition import Condition
from gateway_auth.server.probes import alive, probe
from tests.asgi.raw import call, connect, http_scope, websocket_scope


@pytest.mark.parametrize(
    ("method", "condition", "expected"),
    [
        ("GET", Condition(True), (200, b'{"status":"ok"}')),
        ("GET", Condition(False, ("store",)), (503, b'{"status":"unavailable","without":["store"]}')),
        ("HEAD", Condition(False), (503, b"")),
        ("POST", Condition(True), (405, b"")),
        ("OPTIONS", Condition(False), (405, b"")),
    ],
)
async def test_a_probe_is_answered(method: str, condition: Condition, expected: tuple[int, bytes]) -> None:
    answer = await call(probe(lambda: condition), http_scope(method, "/.gateway/readyz"))
    assert (answer.status, answer.body) == expected
    assert answer.only("cache-control") == "no-store"
    assert answer.only("x-request-id")
    assert answer.values("allow") == (["GET, HEAD"] if expected[0] == 405 else [])


async def test_each_answer_has_an_id_of_its_own() -> None:
    app = probe(alive)
    ids = {(await call(app, http_scope("GET", "/.gateway/healthz"))).only("x-request-id") for _ in range(10)}
    assert len(ids) == 10


async def test_a_websocket_is_refused() -> None:
    scope = websocket_scope("/.gateway/healthz", extensions={"websocket.http.response": {}})
    answer = await connect(probe(alive), scope)
    assert answer.only("x-request-id")
    assert answer.refusal == (403, "request_not_allowed")
