"""What is served under /.gateway/: rooms by name, and nothing else, whatever routes say."""

from __future__ import annotations

import pytest
from starlette.types import Receive, Scope, Send

from gateway_auth.server.reserved import Reserved
from tests.asgi.raw import call, connect, http_scope, lifespan, websocket_scope
from tests.asgi.world import Echo


async def room(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers 204."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def app() -> Echo:
    """What is not reserved."""
    return Echo()


@pytest.mark.parametrize("path", ["/.gateway/known", "/.gateway/known/below", "/.gateway/known/"])
async def test_a_room_answers_its_name_and_all_below(app: Echo, path: str) -> None:
    assert (await call(Reserved(app, {"known": room}, "r"), http_scope("GET", path))).status == 204
    assert app.scopes == []


@pytest.mark.parametrize(
    "path", ["/.gateway/", "/.gateway/other", "/.gateway/knownx", "/%2egateway/x", "/.gateway//known"]
)
async def test_another_name_is_no_route(app: Echo, path: str) -> None:
    reserved = Reserved(app, {"known": room}, "r")
    assert (await call(reserved, http_scope("GET", path))).refusal == (403, "no_matching_route")
    refused = await connect(reserved, websocket_scope(path))
    assert refused.messages[0]["type"] == "websocket.close"
    assert app.scopes == []


@pytest.mark.parametrize("path", ["/", "/.gateway", "/x/.gateway/known", "/.gatewayx/known"])
async def test_everything_else_goes_on(app: Echo, path: str) -> None:
    assert (await call(Reserved(app, {"known": room}, "r"), http_scope("GET", path))).status == 200


async def test_the_lifespan_is_the_apps(app: Echo) -> None:
    async with lifespan(Reserved(app, {}, "r")):
        pass
