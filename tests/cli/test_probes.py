"""Probes of the standalone gateway, and the paths that are its own."""

from __future__ import annotations

import pytest

from gateway_auth.cli.probes import alive, probe
from gateway_auth.cli.reserved import ReservedPaths
from gateway_auth.core.condition import Condition
from tests.asgi.raw import call, http_scope
from tests.asgi.world import Echo


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


async def test_every_other_path_and_protocol_goes_on(app: Echo) -> None:
    front = ReservedPaths(app, {"/.gateway/healthz": probe(alive)})
    assert (await call(front, http_scope("GET", "/.gateway/healthz"))).body == b'{"status":"ok"}'
    for path in ("/.gateway/healthz/", "/.gateway/health%7a", "/.gateway/HEALTHZ", "/x"):
        await call(front, http_scope("GET", path))
    assert [scope["path"] for scope in app.scopes] == [
        "/.gateway/healthz/", "/.gateway/healthz", "/.gateway/HEALTHZ", "/x",
    ]  # fmt: skip


def test_a_path_that_a_route_may_have_is_refused(app: Echo) -> None:
    with pytest.raises(ValueError, match="only paths under"):
        ReservedPaths(app, {"/healthz": probe(alive)})


@pytest.fixture
def app() -> Echo:
    return Echo()
